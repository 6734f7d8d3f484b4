"""What every first stage offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rankgen.manifests.records import Candidates, Query


class Searcher(Protocol):
    """Finds candidates; opened in the process that uses it."""

    def search(self, queries: Sequence[Query], depth: int) -> list[Candidates]:
        """Returns the candidates of each query, in the order of `queries`.

        Args:
            queries: Queries with distinct ids.
            depth: The most candidates a query gets, at least 1.

        Returns:
            One record a query; it is empty where nothing was found.
        """
