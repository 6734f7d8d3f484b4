"""The names of models, as paths and ids have them."""

from __future__ import annotations

import re

_T5 = re.compile(r"t5|inranker")


def name_parts(named: str) -> list[str]:
    """Returns the parts of paths and model ids in lower case, the last part of each path first.

    A folder's own name says what it holds; those above it may be named for other models too.
    """
    paths = named.lower().split()
    return [part for path in paths for part in reversed(re.split(r"[/\\]", path)) if part]


def says_t5(part: str) -> bool:
    """Tells whether a part of a name is that of some T5 re-ranker, so that no other part is."""
    return _T5.search(part) is not None
