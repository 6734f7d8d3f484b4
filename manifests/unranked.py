"""The candidates below the kept top of a list, which a row of `rankings` names without an order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# A row of the table `rankings`.
Row = Mapping[str, Any]


def whole_size(row: Row) -> int:
    """Returns the number of candidates that were ranked, with those below the kept top."""
    return len(row["doc_ids"]) + len(row["unranked"] or ())


def unranked_places(row: Row) -> dict[int, str]:
    """Returns 1-based first-stage position -> id of the candidates below the kept top.

    Raises:
        ValueError: The positions of those at the top leave more or fewer places.
    """
    rest = row.get("unranked") or ()
    held = set(row["retrieval_positions"])
    free = [at for at in range(1, whole_size(row) + 1) if at not in held] if rest else ()
    return dict(zip(free, rest, strict=True))


def first_stage_of(row: Row) -> list[str]:
    """Returns a list's candidates in first-stage order.

    Raises:
        ValueError: The positions are not those of a whole list.
    """
    held = dict(zip(row["retrieval_positions"], row["doc_ids"], strict=True))
    both = held | unranked_places(row)
    if sorted(both) != list(range(1, whole_size(row) + 1)):
        raise ValueError(f"the positions of query {row['query_id']} are not those of a whole list")
    return [both[at] for at in sorted(both)]
