"""The sliding window: from the bottom of the list to the top, each window after the last.

Source: RankGPT (Sun et al., EMNLP 2023, section 3.2); used by RankZephyr and Rank-DistiLLM.
"""

from __future__ import annotations

from collections.abc import Sequence

from rankgen.generator.answers.outcomes import QueryRanking, WindowRecord, WindowResult
from rankgen.generator.strategies.windows import spans
from rankgen.generator.teachers.base import Teacher
from rankgen.manifests.records import Document, Query


async def rank_query(
    query: Query,
    passages: Sequence[Document],
    teacher: Teacher,
    *,
    window: int | None,
    stride: int | None,
    passes: int = 1,
    made: list[WindowRecord] | None = None,
) -> QueryRanking:
    """Ranks one query's candidates as a chain of dependent window calls.

    Args:
        query: The query.
        passages: Its candidates in first-stage order, best first.
        teacher: Asked once for each window of two or more passages.
        window: Largest window; None for the whole list at once.
        stride: Positions by which the window moves up; see `windows.spans`.
        passes: Number of passes over the list; each starts from the previous order.
        made: Collects the ranked windows, for a caller that needs those before a failure.

    Returns:
        The final order, with every window as evidence.

    Raises:
        TeacherFailure: A window could not be ranked, so the query has no ranking.
        EngineDead: The engine is gone.
    """
    order = list(range(len(passages)))
    records: list[WindowRecord] = [] if made is None else made
    for pass_index, start, end in places(len(passages), window, stride, passes):
        span = order[start:end]
        if len(span) == 1:
            result = WindowResult((0,))
        else:
            result = await teacher.rank_window(query, [passages[i] for i in span])
            if len(result.permutation) != len(span):
                raise ValueError(
                    f"{teacher.name} ranked {len(result.permutation)} of {len(span)} passages"
                )
        order[start:end] = [span[position] for position in result.permutation]
        records.append(WindowRecord(pass_index, len(records), start, end, result))
    return QueryRanking(query.query_id, tuple(order), tuple(records))


def places(
    n: int, window: int | None, stride: int | None, passes: int = 1
) -> list[tuple[int, int, int]]:
    """Returns (pass, start, end) of every window of a list of n, in the order of the calls."""
    return [(p, *span) for p in range(passes) for span in spans(n, window, stride)]
