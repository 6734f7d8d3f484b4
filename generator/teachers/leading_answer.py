"""One answer of a model in the workers: only as much of it as is needed, if that is clean.

An answer is first asked for up to the ids that matter. Greedy decoding writes these whatever would
follow, so where they are clean they are those of the whole answer. Where they are not, the answer
is continued from where it stopped, and read as the whole answer that it then is. A fault behind the
ids that matter is never written, so such an answer is `ok`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from rankgen.generator.answers.first_ids import parse_leading
from rankgen.generator.answers.outcomes import TeacherFailure
from rankgen.generator.answers.permutation import ParsedAnswer, parse_permutation
from rankgen.generator.engines.base import AskedRanking, Engine, EnginePrompt, Generation
from rankgen.generator.teachers.prompter import ListwisePrompter


class ReadAnswer(NamedTuple):
    """An answer as it was written and as it is read."""

    generation: Generation
    parsed: ParsedAnswer


async def asked_answer(
    engine: Engine, prompter: ListwisePrompter, prompt: EnginePrompt, k: int, first: int | None
) -> ReadAnswer:
    """Asks for the order of a window.

    Args:
        engine: The model.
        prompter: Limits the answer and says how it is read.
        prompt: The prompt of the window.
        k: Number of passages in the window.
        first: How many leading passages are needed; None for all.

    Raises:
        TeacherFailure: See `Engine.generate`, as for other errors; its tokens are those of both
            calls where the second one failed.
    """
    budget, rules = prompter.output_budget(k), prompter.decoding.rules
    lead = prompter.lead(k, first)
    if lead is None:
        whole = await engine.generate(prompt, budget)
        return ReadAnswer(whole, _read_whole(whole, k, prompter))
    ranking = AskedRanking(prompter.form.name, k, lead) if prompter.decoding.constrained else None
    start = await engine.generate(replace(prompt, ranking=ranking), prompter.lead_budget(k, lead))
    is_cut = start.finish_reason == "length"
    # An answer that the model ended by itself is whole already.
    if is_cut or ranking is not None:
        parsed = parse_leading(start.text, k, lead, cut_by_length=is_cut, rules=rules)
        if parsed is not None:
            return ReadAnswer(start, parsed)
    left = budget - start.usage.output
    if is_cut and left > 0 and ranking is None:
        start = await _continued(engine, prompter, prompt, start, left)
    return ReadAnswer(start, _read_whole(start, k, prompter))


async def _continued(
    engine: Engine,
    prompter: ListwisePrompter,
    prompt: EnginePrompt,
    start: Generation,
    tokens: int,
) -> Generation:
    """Returns the whole answer; the engine still has the keys and values of its start."""
    written = start.output_ids or ()
    longer = replace(prompt, token_ids=(*prompt.token_ids, *written))
    try:
        rest = await engine.generate(longer, tokens)
    except TeacherFailure as failure:
        failure.usage += start.usage
        raise
    ids = (*written, *(rest.output_ids or ()))
    # Two halves of a character make no text by themselves.
    text_ids = ids[:-1] if rest.finish_reason == "stop" else ids
    text = prompter.texts.text(prompt.token_ids, text_ids)
    return replace(rest, text=text, output_ids=ids, usage=start.usage + rest.usage)


def _read_whole(answer: Generation, k: int, prompter: ListwisePrompter) -> ParsedAnswer:
    return parse_permutation(
        answer.text,
        k,
        cut_by_length=answer.finish_reason == "length",
        rules=prompter.decoding.rules,
    )
