"""What every first stage offers: four functions, which prepare it once and open it anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import BaseModel

from rankgen.manifests.records import Candidates, Query
from rankgen.manifests.run.query_table import QueryTable
from rankgen.retrieval.collections.collection import Collection
from rankgen.retrieval.runs.run_order import RunLosses
from rankgen.retrieval.settings import RetrieverSettings


class Searcher(Protocol):
    """Finds candidates; opened in the process that uses it."""

    def search(self, queries: Sequence[Query], depth: int) -> list[Candidates]:
        """Returns the best `depth` candidates of each query, none where nothing was found.

        The lists are in the order of the queries, whose ids are distinct.
        """


class Wanted(NamedTuple):
    """What a first stage is prepared for.

    Attributes:
        queries: The queries that may be asked.
        cache: The cache's root folder.
        own: Queries that are documents themselves (see `find_own_documents`): the document of the
            same id is left out of their lists, which are searched one deeper.
    """

    settings: RetrieverSettings
    collection: Collection
    queries: QueryTable
    cache: Path
    own: frozenset[str]


class RetrieverHandle(BaseModel, frozen=True, extra="forbid"):
    """A prepared first stage: plain data that travels to worker processes.

    Attributes:
        index: BM25's Lucene index, or ColBERT's PLAID index.
        checkpoint: ColBERT's encoder on this machine.
        lists: The cut lists of "recorded" and "fuse".
        own: See `Wanted`.
    """

    settings: RetrieverSettings
    index: Path | None = None
    checkpoint: Path | None = None
    lists: Path | None = None
    own: frozenset[str] = frozenset()


class Prepared(NamedTuple):
    """What is known of a first stage once it is prepared.

    Attributes:
        identity: See `FirstStage.identity`.
        queries: The queries to ask; of "recorded" and "fuse" those that there are lists for.
        losses: What a recorded run lacks; None for other first stages.
    """

    handle: RetrieverHandle
    identity: dict[str, object]
    queries: QueryTable
    losses: RunLosses | None = None


class FirstStage(Protocol):
    """The functions of a module; they raise what `retriever` says."""

    def check(self, settings: RetrieverSettings, /) -> None:
        """Checks what is needed, before any document is read."""

    def identity(self, settings: RetrieverSettings, /) -> dict[str, object]:
        """Returns the settings that a result depends on; files stand as their digests."""

    def prepare(self, wanted: Wanted, /) -> Prepared:
        """Makes the index or the lists, unless the cache has them."""

    def open_searcher(self, handle: RetrieverHandle, /) -> Searcher:
        """Opens in this process what was prepared."""
