"""A teacher whose answers and failures are made up, for tests of everything around it.

The script stands after the colon: `scripted:ORDER[,KEY=VALUE]...`, such as
`scripted:hash,latency=0.01,fail=q7+q9,die=q12`.

- ORDER: `reverse`, `identity`, or `hash` (by a digest of query and document id: the same for the
  same pair on every machine, unrelated to the input order);
- `latency`: seconds that each window takes;
- `fail`: queries that always fail, joined by `+`;
- `raise`: queries at which it raises an exception that nobody foresaw;
- `die`: queries at which the engine dies;
- `stall`: queries at which it never answers.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rankgen.generator.answers.outcomes import EngineDead, TeacherFailure, WindowResult
from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.manifests.records import Document, Query

OrderKey = Callable[[Query, Document, int], float | bytes]


@dataclass(frozen=True)
class Script:
    """What a scripted teacher does.

    Attributes:
        order: "reverse", "identity" or "hash".
        latency_s: Seconds that each window takes.
        failing: Ids of queries that cannot be ranked.
        deadly: Ids of queries that kill the engine.
        stalling: Ids of queries that get no answer.
        raising: Ids of queries at which something unforeseen is raised.
    """

    order: str
    latency_s: float = 0.0
    failing: frozenset[str] = frozenset()
    deadly: frozenset[str] = frozenset()
    stalling: frozenset[str] = frozenset()
    raising: frozenset[str] = frozenset()


def _hash_key(query: Query, document: Document, position: int) -> bytes:
    del position
    return hashlib.sha256(f"{query.query_id}\0{document.doc_id}".encode()).digest()


_ORDERS: dict[str, OrderKey] = {
    "identity": lambda query, document, position: position,
    "reverse": lambda query, document, position: -position,
    "hash": _hash_key,
}


def parse_script(text: str) -> Script:
    """Reads a script.

    Raises:
        UsageError: The order or a key is unknown, or a value is none.
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
                "known: latency=S, and fail=, die=, stall= or raise= with ID+ID",
            )
        values[key] = value
    try:
        latency = float(values["latency"])
    except ValueError:
        raise UsageError(f"'{values['latency']}' is no number of seconds", "latency=0.01") from None
    faults = (_ids(values[kind]) for kind in ("fail", "die", "stall", "raise"))
    return Script(order, latency, *faults)


def _ids(text: str) -> frozenset[str]:
    return frozenset(text.split("+")) - {""}


class ScriptedTeacher:
    """Orders windows by a script.

    Args:
        script: What it does.
        key: Sorts passages (query, passage, position) ascending, instead of the script's order;
            `key_name` must then name it.
        key_name: Identifies `key`.
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
        """Orders, fails or dies as the script says; see `Teacher.rank_window`."""
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
        """Holds nothing."""

    def identity(self) -> Mapping[str, object]:
        """Returns the order's name; latency and faults change no answer."""
        return {"teacher": "scripted", "order": self._order}

    def facts(self) -> Mapping[str, str]:
        """Has none."""
        return {}
