"""Streams records and finds repeated ids, at eight bytes of memory a record."""

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
    """Yields the items of `source()`; at the end of the pass it refuses repeated ids.

    Only a 64-bit hash of each id is kept. Where two hashes are equal a second pass compares the
    ids themselves, so a chance collision is no error.

    Args:
        source: Starts a pass that yields (where it stands, id, item).
        kind: What the items are, "document" or "query".
        name: The collection's name.

    Raises:
        UsageError: Two items have one id, or there are no items.
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
    # In place: a copy would take as much memory again.
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
                f"{where}: {kind} id '{identity}' stands already in {first[identity]}",
                f"give every {kind} an id of its own",
            )
        first[identity] = where
