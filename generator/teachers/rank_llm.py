"""Any listwise model of the package rank_llm as the teacher: its prompt, its engine, our parser.

rank_llm builds the prompt of a window and continues it; its own windows, parser and files are not
used. It gives an exception's text as an answer without usage, or marks it; both are failures here.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from rankgen.generator.answers.outcomes import (
    TeacherFailure,
    TokenUsage,
    WindowOutcome,
    WindowResult,
)
from rankgen.generator.answers.permutation import ANSWER_RULES, parse_permutation
from rankgen.generator.engines.settings import CONTEXT_SIZE
from rankgen.generator.teachers.rank_llm_loading import is_remote_model, open_coordinator
from rankgen.generator.teachers.rank_llm_turns import Turns
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import EnvironmentProblem, RankgenError
from rankgen.manifests.models.model_source import folder_digest, pinned_model, split_revision
from rankgen.manifests.records import Document, Query

_MARKED = "ERROR::"
# It shortens passages until a prompt fits, without an end where the query alone is too long.
_WORDS_OF_CONTEXT = 4


class RankLlmTeacher:
    """Ranks windows by a coordinator of rank_llm; takes resolved settings.

    Args:
        model: A model that rank_llm's own factory knows, a Hugging Face id, or a folder.
        settings: The settings.

    Raises:
        UsageError: rank_llm cannot open the model, or it is not a listwise one.
        EnvironmentProblem: rank_llm is not installed.
    """

    def __init__(self, model: str, settings: LabelSettings) -> None:
        self.name = settings.teacher
        self.default_window = settings.preset.window
        self.default_stride = settings.preset.stride
        self._context_size = settings.context_size or CONTEXT_SIZE
        self._coordinator = open_coordinator(model, settings)
        self._turns = Turns(self._coordinator, settings.concurrency or 1)
        self._model = _identity_of(model, is_served=settings.base_url is not None)
        self._seconds = settings.request_timeout_s if settings.base_url else None

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        """Asks rank_llm about the window; see `Teacher.rank_window`."""
        if len(query.text.split()) > self._context_size // _WORDS_OF_CONTEXT:
            raise TeacherFailure("the query is too long for rank_llm's prompts")
        k = len(passages)
        prompt, read = await self._turns.prompt(_result(query, passages), k)
        try:
            text, usage = await asyncio.wait_for(self._turns.answer(prompt, k), self._seconds)
        except TimeoutError:
            # rank_llm tries for ever, and its thread cannot be stopped.
            raise EnvironmentProblem(
                f"rank_llm had no answer after {self._seconds:g} s",
                "check the server at --base-url, or raise --request-timeout",
            ) from None
        return _read(text, _usage(usage, read), k)

    async def close(self) -> None:
        """Ends the threads; the engine ends with the process."""
        self._turns.close()

    def identity(self) -> Mapping[str, object]:
        """Returns the model, and what of rank_llm asks it."""
        return {
            "teacher": "rank-llm",
            "model": self._model,
            "rank_llm": _version(),
            "class": type(self._coordinator).__name__,
            "context_size": self._context_size,
            "answer_rules": ANSWER_RULES,
        }

    def facts(self) -> Mapping[str, str]:
        """Returns the version of rank_llm, and its class for the model."""
        return {"rank_llm": _version(), "rank_llm_class": type(self._coordinator).__name__}


def open_teacher(argument: str, settings: LabelSettings) -> RankLlmTeacher:
    """Returns the teacher, ready to rank; see `PlainTeacher`."""
    return RankLlmTeacher(argument, settings)


def recipe(argument: str) -> Mapping[str, JsonValue]:
    """Returns the model's identity; the version of rank_llm is with the other versions."""
    return {"teacher": "rank-llm", "model": _identity_of(argument, is_served=False)}


def anchored(argument: str) -> str:
    """Returns the argument for a process that may run in another folder."""
    return os.path.abspath(argument) if os.path.isdir(argument) else argument


def _identity_of(model: str, *, is_served: bool) -> str:
    name, _ = split_revision(model)
    if os.path.isdir(name):
        from pathlib import Path

        return f"sha256:{folder_digest(Path(name))}"
    if is_served or is_remote_model(model):
        return model
    try:
        return pinned_model(model)
    except RankgenError:
        # A short name of rank_llm's own, or a name that only a server knows.
        return model


def _version() -> str:
    return importlib.metadata.version("rank-llm")


def _result(query: Query, passages: Sequence[Document]) -> Any:  # its own class
    from rank_llm.data import Candidate, Result
    from rank_llm.data import Query as TheirQuery

    found = [
        Candidate(
            docid=one.doc_id,
            score=float(-place),
            doc={**({"title": one.title} if one.title else {}), "text": one.text},
        )
        for place, one in enumerate(passages)
    ]
    return Result(query=TheirQuery(text=query.text, qid=query.query_id), candidates=found)


def _usage(given: object, read: int) -> TokenUsage | None:
    """Returns the tokens of a call; None if rank_llm counted none, as for an exception's text."""
    if isinstance(given, int) and given > 0:
        return TokenUsage(read, given)
    if isinstance(given, Mapping) and given:
        prompt, output = (given.get(f"{x}_tokens") or 0 for x in ("prompt", "completion"))
        return TokenUsage(int(prompt) or read, int(output))
    return None


def _read(text: object, usage: TokenUsage | None, k: int) -> WindowResult:
    said = text if isinstance(text, str) else None
    if said is None or usage is None or said.startswith(_MARKED):
        shown = "" if not said else f": {' '.join(said.split())[:200]}"
        raise TeacherFailure(f"rank_llm's call failed{shown}", output_text=said)
    parsed = parse_permutation(said, k, cut_by_length=False)
    if parsed.permutation is None:
        raise TeacherFailure(
            f"the answer holds no ranking: {parsed.why}",
            outcome=WindowOutcome.MALFORMED,
            output_text=said,
            usage=usage,
        )
    return WindowResult(
        permutation=parsed.permutation,
        outcome=parsed.outcome,
        duplicates=parsed.duplicates,
        missing=parsed.missing,
        out_of_range=parsed.out_of_range,
        usage=usage,
        output_text=None if parsed.outcome is WindowOutcome.OK else said,
    )
