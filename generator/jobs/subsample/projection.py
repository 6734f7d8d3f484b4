"""A ranking cut to the first stage's top documents, with the windows that lead to what is left.

A window orders some documents of the list. Without those that are left out it still orders those of
its documents that are kept: which documents they are and how it ordered them does not depend on the
others. The windows of a cut list therefore lead to the cut ranking, and a pair that the teacher saw
in one window is still seen in one. What is lost are comparisons with documents that are gone: a
pair that only these implied is unseen afterwards.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from rankgen.manifests.replay import after_call, described, places_shown
from rankgen.manifests.storage.digest import sha256_of_lines

# A row of a table: column -> value.
Row = Mapping[str, Any]
ALIGNED = ("doc_ids", "retrieval_positions", "retrieval_scores", "teacher_scores", "chunks")


def kept_places(positions: Sequence[int], depth: int | None, *, keeps_first: bool) -> list[int]:
    """Returns the places of a list, from 0, that a cut keeps.

    Args:
        positions: 1-based first-stage position of each document, in the list's order.
        depth: The last position to keep; None keeps all.
        keeps_first: Whether the first document stays wherever the first stage had it, as the
            relevant passage in front of negatives does.
    """
    return [
        place
        for place, position in enumerate(positions)
        if depth is None or position <= depth or (keeps_first and place == 0)
    ]


def projected_ranking(
    row: Row, places: Sequence[int], unranked: Mapping[int, str] | None = None
) -> dict[str, Any]:
    """Returns a row of `rankings` with the documents at `places` only, in their order.

    `candidates_sha256` becomes the digest of what is kept, in first-stage order.

    Args:
        row: The row.
        places: Places of its list, from 0.
        unranked: Those of `unranked_places` that are kept too.
    """
    cut = {name: row[name] and [row[name][place] for place in places] for name in ALIGNED}
    rest = sorted((unranked or {}).items())
    held = zip(cut["retrieval_positions"], cut["doc_ids"], strict=True)
    cut["candidates_sha256"] = sha256_of_lines(doc_id for _, doc_id in sorted([*held, *rest]))
    return {**row, **cut, "unranked": [doc_id for _, doc_id in rest] or None}


def projected_windows(calls: Sequence[Row], size: int, kept: Collection[int]) -> list[Row]:
    """Returns a query's calls as calls about the kept documents; those about none are left out.

    A failed call ordered nothing and is about the documents that its span held then.

    Args:
        calls: Rows of `windows`, in the order in which they were made.
        size: Length of the whole list.
        kept: 0-based first-stage places of the documents that are kept.
    """
    order, made = list(range(size)), list[_Kept]()
    for call in calls:
        span, moves = (call["start"], call["end"]), (call.get("shown"), call.get("reordered"))
        held = [order[place] for place in places_shown(*span, moves[0])]
        left = [number for number, place in enumerate(held) if place in kept]
        if left:
            now = [place for place in order if place in kept]
            made.append(_Kept(call, [held[number] for number in left], left, now))
        if call["permutation"] is not None:
            order = after_call(order, *span, call["permutation"], *moves)
    listed, found = sorted(kept), list[Row]()
    end = [place for place in order if place in kept]
    for one, after in zip(made, [*(later.now for later in made[1:]), end], strict=True):
        answer = _answer(one.call, one.left)
        where = described(listed, one.held, answer.get("permutation"), after)
        found.append({**one.call, **where._asdict(), **answer})
        # A failed call moves nothing.
        listed = after if answer else listed
    return found


class _Kept(NamedTuple):
    """What is left of a call.

    Attributes:
        held: The kept documents that it showed, as first-stage places.
        left: Their numbers within what it showed, increasing.
        now: The kept documents of the list before it.
    """

    call: Row
    held: list[int]
    left: list[int]
    now: list[int]


def _answer(call: Row, left: Sequence[int]) -> dict[str, Any]:
    """Returns the order of what is left of a window, and how much of it the teacher left out.

    Args:
        call: The row of the whole window.
        left: The numbers within its span of the documents that are kept, increasing.
    """
    permutation = call["permutation"]
    if permutation is None:
        return {}
    number_of = {number: new for new, number in enumerate(left)}
    asked = call.get("asked")
    # What the teacher did not name follows in its old order.
    named = permutation[: (len(permutation) if asked is None else asked) - call["missing"]]
    kept = sum(number in number_of for number in named)
    unknown = len(left) - kept
    return {
        "permutation": [number_of[number] for number in permutation if number in number_of],
        "missing": unknown if asked is None else 0,
        # The last of all is known.
        "asked": kept if asked is not None and unknown > 1 else None,
    }


def summed_calls(calls: Sequence[Row]) -> dict[str, Any]:
    """Returns what a row of `rankings` says of its windows, from the rows of these windows."""
    answered = [call for call in calls if call["permutation"] is not None]
    repaired = sum(call["outcome"] != "ok" for call in answered)
    return {
        "windows": len(answered),
        "repaired_windows": repaired,
        "status": "degraded" if repaired else "complete",
        "prompt_tokens": sum(call["prompt_tokens"] for call in calls),
        "output_tokens": sum(call["output_tokens"] for call in calls),
    }
