"""A teacher with made-up answers and failures, for tests of everything around it.

The script follows the colon: `scripted:ORDER[,KEY=VALUE]...`, such as
`scripted:hash,latency=0.01,fail=q7+q9,die=q12`.

- ORDER: `reverse`, `identity`, or `hash` (by a digest of query and document id, the same on every
  machine and unrelated to the input order);
- `latency`: seconds that each window takes;
- `fail`: queries that always fail, joined by `+`;
- `raise`: queries that raise an unexpected exception;
- `die`: queries that kill the engine;
- `stall`: queries that never get an answer.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from rankgen.generator.answers.outcomes import EngineDead, TeacherFailure, WindowResult
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.manifests.records import Document, Query

OrderKey = Callable[[Query, Document, int], float | bytes]


@dataclass(frozen=True)
class Script:
    """The orders and faults of a scripted teacher.

    Attributes:
        order: "reverse", "identity" or "hash".
        latency_s: Seconds that each window takes.
        failing: Ids of queries that cannot be ranked.
        deadly: Ids of queries that kill the engine.
        stalling: Ids of queries that get no answer.
        raising: Ids of queries that raise an unexpected exception.
    """

    order: str
    latency_s: float = 0.0
    failing: frozenset[str] = frozenset()
    deadly: frozenset[str] = frozenset()
    stalling: frozenset[str] = frozenset()
    raising: frozenset[str] = frozenset()


def open_teacher(argument: str, settings: LabelSettings) -> ScriptedTeacher:
    """Reads the script; see `PlainTeacher`, as for the next two."""
    del settings
    return ScriptedTeacher(parse_script(argument))


def recipe(argument: str) -> dict[str, JsonValue]:
    """Returns the order: latency and faults do not change answers."""
    return {"teacher": f"scripted:{argument.split(',')[0]}"}


def anchored(argument: str) -> str:
    """Returns the script as it is."""
    return argument


def _hash_key(query: Query, document: Document, position: int) -> bytes:
    del position
    return hashlib.sha256(f"{query.query_id}\0{document.doc_id}".encode()).digest()


_ORDERS: dict[str, OrderKey] = {
    "identity": lambda query, document, position: position,
    "reverse": lambda query, document, position: -position,
    "hash": _hash_key,
}


def parse_script(text: str) -> Script:
    """Parses a script.

    Raises:
        UsageError: The order or a key is unknown, or the latency is not a number.
    """
    order, *options = text.split(",")
    if order not in _ORDERS:
        raise UsageError(f"there is no scripted order '{order}'", did_you_mean(order, _ORDERS))
    values = {"latency": "0", "fail": "", "die": "", "stall": "", "raise": ""}
    for option in options:
        key, equals, value = option.partition("=")
        if key not in values or not equals:
            raise UsageError(
                f"a script has no option '{option}'",
                "use latency=SECONDS, or fail=, die=, stall= or raise= with ID+ID",
            )
        values[key] = value
    try:
        latency = float(values["latency"])
    except ValueError:
        raise UsageError(
            f"latency is not a number of seconds: '{values['latency']}'", "write latency=0.01"
        ) from None
    faults = (_ids(values[kind]) for kind in ("fail", "die", "stall", "raise"))
    return Script(order, latency, *faults)


def _ids(text: str) -> frozenset[str]:
    return frozenset(text.split("+")) - {""}


class ScriptedTeacher:
    """Orders windows by a script.

    Args:
        script: Its order and faults.
        key: Sort key of (query, passage, position), ascending; replaces the script's order.
        key_name: The name of `key`, which identifies the teacher.
    """

    default_window: int | None = None
    default_stride: int | None = None

    def __init__(self, script: Script, key: OrderKey | None = None, key_name: str = "") -> None:
        self._script = script
        self._key = key or _ORDERS[script.order]
        self._order = key_name or script.order
        self.name = f"scripted:{self._order}"
        self.calls = 0

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        """Orders, fails or dies as scripted; see `Teacher.rank_window`."""
        self.calls += 1
        if self._script.latency_s:
            await asyncio.sleep(self._script.latency_s)
        if query.query_id in self._script.deadly:
            raise EngineDead(f"the script ends the engine at query {query.query_id}")
        if query.query_id in self._script.stalling:
            await asyncio.Event().wait()
        if query.query_id in self._script.raising:
            raise LookupError(f"the script raises at query {query.query_id}")
        if query.query_id in self._script.failing:
            raise TeacherFailure(f"the script fails query {query.query_id}")
        keys = [self._key(query, passage, i) for i, passage in enumerate(passages)]
        order = sorted(zip(keys, range(len(passages)), strict=True))
        return WindowResult(permutation=tuple(position for _, position in order))

    async def close(self) -> None:
        """Does nothing: there is no engine."""

    def identity(self) -> Mapping[str, object]:
        """Returns the order's name; latency and faults do not change answers."""
        return {"teacher": "scripted", "order": self._order}

    def facts(self) -> Mapping[str, str]:
        """Returns nothing: there are no versions or devices."""
        return {}
