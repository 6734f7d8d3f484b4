"""Ranks one query's list by a strategy, in one or several passes."""

from __future__ import annotations

from collections.abc import Sequence

from rankgen.generator.answers.query_outcomes import QueryRanking
from rankgen.generator.strategies.chain import Chain, Ranks
from rankgen.generator.strategies.registry import STRATEGIES, StrategyName
from rankgen.generator.strategies.shape import Shape
from rankgen.manifests.records import Document, Query


async def rank_query(
    query: Query,
    passages: Sequence[Document],
    teacher: Ranks,
    *,
    window: int | None,
    stride: int | None = None,
    passes: int = 1,
    strategy: StrategyName = "sliding",
    top: int | None = None,
    keep_top: int | None = None,
) -> QueryRanking:
    """Ranks one query's candidates as a chain of calls, each after the last.

    Args:
        query: The query.
        passages: Its candidates in first-stage order, best first.
        teacher: Asked once for each window of two or more passages.
        window: Largest window; None for the whole list at once.
        stride: See `Shape`.
        passes: Number of passes over the list; each starts from the previous order.
        strategy: Which windows are asked about.
        top: See `Shape`.
        keep_top: See `Shape`.

    Returns:
        The final order, with every window as evidence.

    Raises:
        TeacherFailure: A window could not be ranked, so the query has no ranking.
        EngineDead: The engine is gone.
    """
    shape = Shape(window, stride, top, keep_top)
    return await rank_chain(Chain(query, passages, teacher), strategy, shape, passes)


async def rank_chain(
    chain: Chain, strategy: StrategyName, shape: Shape, passes: int = 1
) -> QueryRanking:
    """Ranks a chain's list; see `rank_query`.

    Calls of one query are made one after the other, also where a strategy would allow several at
    once: what keeps an engine busy are the many queries in flight.
    """
    for chain.pass_index in range(passes):
        if len(chain.order) == 1:
            # A window by itself, so that every ranked query has evidence.
            await chain.sort(0, 1)
        else:
            await STRATEGIES[strategy].one_pass(chain, shape)
    return chain.ranking()
