"""What one call to a teacher did to a query's list: replays rows of the table `windows`.

A call shows passages of the list as it then is. Where `shown` is null it showed the span
[start, end), and its permutation was written into that span: so all of a sliding window's calls.
Where `shown` names places of the list, it showed the passages there, in that order, and moved
nothing by itself. After either, `reordered`, where it is not null, is the list's new order: what a
strategy made of the answer, such as the swap of two passages of a heap.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple, TypeVar

Item = TypeVar("Item", bound=Hashable)


class Described(NamedTuple):
    """How the table `windows` says what a call showed and did; see the module."""

    start: int
    end: int
    shown: tuple[int, ...] | None
    reordered: tuple[int, ...] | None


def places_shown(start: int, end: int, shown: Sequence[int] | None) -> Sequence[int]:
    """Returns the places of the list, from 0, that a call showed, in the order it showed them."""
    return range(start, end) if shown is None else shown


def after_call(
    order: Sequence[Item],
    start: int,
    end: int,
    permutation: Sequence[int],
    shown: Sequence[int] | None = None,
    reordered: Sequence[int] | None = None,
) -> list[Item]:
    """Returns the list as it was after a call that ordered what it showed.

    Args:
        order: The list before the call.
        start: The call showed the span [start, end), or `shown`, which that span just holds.
        end: See `start`.
        permutation: permutation[i] is the place, among those shown, of what the teacher put at i.
        shown: See the module; None for the span itself.
        reordered: reordered[i] is the place, after the permutation was written, of what is then at
            i; None where nothing else moved.

    Raises:
        ValueError: The call does not fit a list of that length; the message says why.
    """
    after, places = list(order), places_shown(start, end, shown)
    hull = (start, end) if shown is None else (min(shown, default=0), max(shown, default=-1) + 1)
    if hull != (start, end) or not 0 <= start <= end <= len(after):
        raise ValueError(f"a window [{start}, {end}) does not fit a list of {len(after)}")
    if len(set(places)) != len(places) or sorted(permutation) != list(range(len(places))):
        raise ValueError(f"a window of {len(places)} passages has no permutation of them")
    if shown is None:
        after[start:end] = [order[start + place] for place in permutation]
    if reordered is None:
        return after
    if sorted(reordered) != list(range(len(after))):
        raise ValueError(f"a list of {len(after)} was put in an order that is none of it")
    return [after[place] for place in reordered]


def described(
    before: Sequence[Item],
    held: Sequence[Item],
    permutation: Sequence[int] | None,
    after: Sequence[Item],
) -> Described:
    """Returns the plainest description of a call from which `after_call` leads to `after`.

    Args:
        before: The list before the call.
        held: What the call showed, in the order it showed it; at least one.
        permutation: See `after_call`; None for a call that failed, which does nothing.
        after: The list after it.
    """
    place_of = {item: place for place, item in enumerate(before)}
    places = tuple(place_of[item] for item in held)
    start, end = min(places), max(places) + 1
    is_span = places == tuple(range(start, end))
    if permutation is None:
        return Described(start, end, None if is_span else places, None)
    if is_span and after_call(before, start, end, permutation) == list(after):
        return Described(start, end, None, None)
    moved = None if list(before) == list(after) else tuple(place_of[item] for item in after)
    return Described(start, end, places, moved)
