"""Streams records and finds repeated ids with eight bytes of memory per record."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from rankgen.manifests.errors import UsageError

Item = TypeVar("Item")


def distinct_ids(
    source: Callable[[], Iterator[tuple[str, str, Item]]], kind: str, name: str
) -> Iterator[Item]:
    """Yields the items of `source()` and refuses repeated ids at the end of the pass.

    Only a 64-bit hash of each id is kept. If two hashes are equal, a second pass compares the ids
    themselves, so that a chance collision is not an error.

    Args:
        source: Starts a pass that yields (location, id, item).
        kind: The kind of the items, "document" or "query".
        name: The collection's name.

    Raises:
        UsageError: Two items have the same id, or there are no items.
    """
    hashes = array("q")
    for _, identity, item in source():
        hashes.append(hash(identity))
        yield item
    if not hashes:
        raise UsageError(f"{name} has no {kind} at all", "name another file")
    suspects = _repeated(hashes)
    if suspects:
        _refuse_repeated(source, suspects, kind)


def _repeated(hashes: array[int]) -> set[int]:
    # Sort in place: a copy would take as much memory again.
    ordered = np.frombuffer(hashes, dtype=np.int64)
    ordered.sort()
    return {int(value) for value in ordered[1:][ordered[1:] == ordered[:-1]]}


def _refuse_repeated(
    source: Callable[[], Iterator[tuple[str, str, Item]]], suspects: set[int], kind: str
) -> None:
    first: dict[str, str] = {}
    for where, identity, _ in source():
        if hash(identity) not in suspects:
            continue
        if identity in first:
            raise UsageError(
                f"{where}: {kind} id '{identity}' is already used in {first[identity]}",
                f"give every {kind} a unique id",
            )
        first[identity] = where
