"""The windows that a strategy would ask about, without a teacher: for estimates of its cost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from rankgen.generator.answers.outcomes import WindowResult
from rankgen.generator.strategies.chain import Chain
from rankgen.generator.strategies.orders import drawn_order
from rankgen.generator.strategies.ranking import rank_chain
from rankgen.generator.strategies.registry import StrategyName
from rankgen.generator.strategies.shape import Shape
from rankgen.manifests.records import Document, Query


class SimulatedCall(NamedTuple):
    """A call that a strategy would make.

    Attributes:
        shown: 0-based first-stage places of the passages that it would show.
        first: How many of the best of them it would need; None for all.
    """

    shown: tuple[int, ...]
    first: int | None = None


@lru_cache(maxsize=1024)
def simulated_windows(
    n: int, strategy: StrategyName, shape: Shape, passes: int = 1, votes: int | None = None
) -> tuple[SimulatedCall, ...]:
    """Returns the calls for a list of `n`.

    The answers are drawn: a sliding window's calls are the same for any answers, and those of other
    strategies about as many as for a teacher that finds the list in no order at all.
    """
    if n < 2:
        return (SimulatedCall((0,)),) * n * passes
    teacher = _Drawn(n, is_any=strategy == "sliding")
    passages = [Document(str(place), "", "") for place in range(n)]
    chain = Chain(Query("", ""), passages, teacher, votes=votes)
    try:
        rank_chain(chain, strategy, shape, passes).send(None)
    except StopIteration:
        return tuple(teacher.calls)
    raise RuntimeError("a simulated teacher waits for nothing")


class _Drawn:
    """Orders by a drawn order of all passages; any answer will do where it `is_any`."""

    name = "simulated"

    def __init__(self, n: int, *, is_any: bool) -> None:
        self.calls = list[SimulatedCall]()
        order = range(n) if is_any else drawn_order([str(place) for place in range(n)], "")
        self._rank_of = {place: rank for rank, place in enumerate(order)}

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        """Returns the drawn order of what is shown; see `Ranks`."""
        return await self.rank_top(query, passages, None)

    async def rank_top(
        self, query: Query, passages: Sequence[Document], first: int | None
    ) -> WindowResult:
        """Likewise; see `RanksTop`."""
        del query
        shown = tuple(int(passage.doc_id) for passage in passages)
        self.calls.append(SimulatedCall(shown, first))
        ranks = [self._rank_of[place] for place in shown]
        return WindowResult(tuple(sorted(range(len(ranks)), key=ranks.__getitem__)))
