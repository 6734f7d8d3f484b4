"""Prompts with the order that answers them: rows that listwise LLMs are trained on.

    {id, conversations: [{from, value}, ...]}   RankZephyr's training rows: system, user, answer
    {id, messages: [{role, content}, ...]}      the same rows in another wording
    {query, retrieved_passages: [...]}          RankGPT, its answers in a JSON list beside them
    {query, retrieved_passages: [...]}          TWOLAR, in the teacher's order already

Passages that an answer leaves out follow in the order of the prompt, and the list is degraded, as
where a label run repairs an answer. Answers that name less than half of their passages order
nothing. RankGPT's are those of a model as they came, so such a row is dropped and counted; in rows
to train on it is an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from rankgen.manifests.counted import counted
from rankgen.manifests.errors import UsageError, reason_of
from rankgen.manifests.forms.accounting import Tally
from rankgen.manifests.forms.fields import id_in, list_in, text_in
from rankgen.manifests.forms.files.opened import opened
from rankgen.manifests.forms.files.rows import Row, read_rows
from rankgen.manifests.forms.shape import Preset
from rankgen.manifests.forms.shapes.passages import Passage, passage_in
from rankgen.manifests.forms.shapes.pos_neg import query_in, shared_list
from rankgen.manifests.forms.shapes.prompt_text import (
    NotReadable,
    ReadAnswer,
    read_answer,
    read_prompt,
)
from rankgen.manifests.forms.shared_list import SharedList
from rankgen.manifests.forms.sources.base import Part, Source
from rankgen.manifests.forms.text_ids import id_of_text

TURNS = ("conversations", "messages")
RETRIEVED = "retrieved_passages"
_USERS, _ANSWERERS = ("user", "human"), ("assistant", "gpt")


class _Prompts:
    """The shape `prompts`."""

    def fits(self, row: Mapping[str, object]) -> bool:
        """Tells whether a row has the turns of a chat, or retrieved passages."""
        return any(isinstance(row.get(name), list) for name in (*TURNS, RETRIEVED))

    def lists(self, source: Source, preset: Preset, tally: Tally) -> Iterator[SharedList]:
        """Yields the list of every row; see `ListShape`."""
        answers, parts = _answers_beside(source)
        rows = (row for part in parts for row in read_rows(part))
        if answers is not None:
            yield from _answered_lists(rows, answers, preset, tally)
            return
        for row in rows:
            tally.read()
            if RETRIEVED in row.fields:
                found = _ordered_list(row, preset, tally)
            else:
                found = _chat_list(row, tally)
            if found is None:
                tally.lose("dropped_rows")
            else:
                yield found


SHAPE = _Prompts()


def _chat_list(row: Row, tally: Tally) -> SharedList | None:
    where, fields = row
    prompt_text, answer_text = _turns(row)
    try:
        prompt = read_prompt(prompt_text)
    except NotReadable as problem:
        raise UsageError(f"{where}: the prompt {problem}", "name another form") from None
    try:
        answer = read_answer(answer_text, len(prompt.passages))
    except NotReadable as problem:
        raise UsageError(f"{where}: the answer {problem}", "remove the row") from None
    values: list[object] = list(prompt.passages)
    if fields.get("docids") is not None:
        doc_ids = list_in(where, fields["docids"], "docids")
        if len(doc_ids) != len(values):
            raise UsageError(
                f"{where}: docids holds {counted(len(doc_ids), 'id')} for "
                f"{counted(len(values), 'passage')}",
                "write one id for each passage, in the order of the prompt",
            )
        values = [{"docid": d, "text": t} for d, t in zip(doc_ids, values, strict=True)]
    if fields.get("id") is not None:
        query = id_in(where, fields["id"], "id"), text_in(where, prompt.query, "query")
    else:
        tally.lose("query_ids_from_texts")
        query = id_of_text(prompt.query), prompt.query
    passages = [passage_in(where, value, tally) for value in values]
    return _answered(where, query, passages, answer, tally)


def _turns(row: Row) -> tuple[str, str]:
    """Returns the prompt and the answer of a chat.

    Raises:
        UsageError: It does not have one turn of the user, followed by one answer.
    """
    where, fields = row
    name = next(name for name in TURNS if fields.get(name) is not None)
    texts: list[tuple[str, str]] = []
    for turn in list_in(where, fields[name], name):
        if not isinstance(turn, Mapping):
            raise UsageError(f"{where}: a turn in {name} is not an object", "name another form")
        role = str(turn.get("from", turn.get("role", "")))
        texts.append((role, text_in(where, turn.get("value", turn.get("content")), "turn")))
    # rank_llm's own loader goes by places: its rows may leave the roles out.
    spoken = [turn for turn in texts if turn[0] != "system"]
    if len(texts) == 3 and not any(role for role, _ in texts):
        spoken = texts[1:]
    roles = [role for role, _ in spoken]
    is_fine = len(spoken) == 2 and roles[0] in (*_USERS, "") and roles[1] in (*_ANSWERERS, "")
    if not is_fine:
        raise UsageError(
            f"{where}: {name} holds the turns {', '.join(role or '?' for role, _ in texts)}, not "
            "one prompt and its answer",
            "name rows with a system, a user and an assistant turn",
        )
    return spoken[0][1], spoken[1][1]


def _retrieved(row: Row, tally: Tally) -> list[Passage]:
    given = list_in(row.where, row.fields.get(RETRIEVED), RETRIEVED)
    return [passage_in(f"{row.where}, {RETRIEVED}", value, tally) for value in given]


def _ordered_list(row: Row, preset: Preset, tally: Tally) -> SharedList | None:
    if not preset.is_ordered:
        raise UsageError(
            f"{row.where} has {RETRIEVED} but there is no file of answers beside it",
            "name the folder that holds both; if the passages are in the teacher's order already, "
            "give the form twolar",
        )
    # What a model scored is not known: first stages leave scores of their own here.
    passages = [passage._replace(score=None) for passage in _retrieved(row, tally)]
    return shared_list(row.where, query_in(row, preset, tally), passages, tally)


def _answered_lists(
    rows: Iterator[Row], answers: Sequence[str], preset: Preset, tally: Tally
) -> Iterator[SharedList]:
    number = 0
    for number, row in enumerate(rows, start=1):
        tally.read()
        if number > len(answers):
            continue
        passages = [passage._replace(score=None) for passage in _retrieved(row, tally)]
        query = query_in(row, preset, tally)
        try:
            answer = read_answer(answers[number - 1], len(passages))
        except NotReadable:
            tally.lose("dropped_rows")
            continue
        found = _answered(row.where, query, passages, answer, tally)
        if found is None:
            tally.lose("dropped_rows")
        else:
            yield found
    if number != len(answers):
        raise UsageError(
            f"beside {counted(number, 'row')} of {RETRIEVED} there are "
            f"{counted(len(answers), 'answer')}",
            "name the folder of files that belong together",
        )


def _answered(
    where: str,
    query: tuple[str, str | None],
    passages: Sequence[Passage],
    answer: ReadAnswer,
    tally: Tally,
) -> SharedList | None:
    """Returns the passages in the order of an answer."""
    tally.lose("unranked_passages", answer.missing)
    tally.lose("unknown_passages", answer.out_of_range)
    tally.lose("duplicate_rows", answer.duplicates)
    found = shared_list(where, query, [passages[place] for place in answer.order], tally)
    if found is None:
        return None
    held = set(found.doc_ids)
    first_stage = dict.fromkeys(p.doc_id for p in passages if p.doc_id in held)
    return found._replace(first_stage=tuple(first_stage), is_whole=answer.is_whole)


def _answers_beside(source: Source) -> tuple[list[str] | None, Sequence[Part]]:
    """Returns RankGPT's answers and the other files; None where no file is a list of answers."""
    found = [(part, answers) for part in source.parts if (answers := _answers_in(part)) is not None]
    if not found:
        return None, source.parts
    others = [part for part in source.parts if part not in [part for part, _ in found]]
    if len(found) > 1 or len(others) != 1:
        raise UsageError(
            f"{source.told} holds {counted(len(found), 'file')} of answers and "
            f"{counted(len(others), 'file')} of rows",
            "name a folder with one of each",
        )
    return found[0][1], others


def _answers_in(part: Part) -> list[str] | None:
    if part.kind != "json":
        return None
    with opened(part) as file:
        content = file.read()
    try:
        values = json.loads(content.decode("utf-8-sig"))
    except ValueError as error:
        raise UsageError(f"{part.name} is not JSON: {reason_of(error)}", "check the file") from None
    if not isinstance(values, list) or not values or isinstance(values[0], Mapping):
        return None
    for number, value in enumerate(values, start=1):
        if not isinstance(value, str):
            raise UsageError(
                f"{part.name} answer {number} is not a text but of type {type(value).__name__}",
                'write answers as "[2] > [1]"',
            )
    return values
