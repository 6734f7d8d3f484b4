"""The candidates of a run, read once, with the texts that scoring them needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.records import Candidates
from rankgen.manifests.run.recipe_lock import tables_digest
from rankgen.manifests.run.run_directory import RunDirectory

# Document id -> score by query id; higher is better.
Scores = dict[str, dict[str, float]]


@dataclass(frozen=True)
class CandidateTexts:
    """Candidate lists in first-stage order, with their texts.

    Attributes:
        queries: Text by query id.
        documents: "title text" by document id.
        titles: Title by document id, where there is one.
    """

    candidates: tuple[Candidates, ...]
    queries: Mapping[str, str]
    documents: Mapping[str, str]
    titles: Mapping[str, str] = field(default_factory=dict)

    def pairs(self, depth: int | None) -> int:
        """Returns the number of (query, passage) pairs among the first `depth` candidates."""
        return sum(len(row.doc_ids[:depth]) for row in self.candidates)


class FirstStage:
    """The candidate lists of a run; texts are read when they are first asked for, and kept.

    Attributes:
        run: A folder that `rankgen retrieve` or `rankgen rerank` wrote.
        lists: Candidates by query id, sorted by query id.

    Raises:
        UsageError: The run has no candidates.
        IntegrityProblem: A shard cannot be read.
    """

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        rows = sorted(run.candidates(), key=lambda row: row.query_id)
        self.lists = {row.query_id: row for row in rows}
        self._texts: dict[str, dict[str, str]] = {"queries": {}, "documents": {}}
        self._titles: dict[str, str] = {}

    @cached_property
    def digest(self) -> str:
        """The digest of the candidates and of all texts of the run."""
        return tables_digest(self.run, ("candidates", "queries", "documents"))

    def texts(self, lists: Iterable[Candidates], depth: int | None) -> CandidateTexts:
        """Returns lists with the texts of their queries and of their first `depth` documents.

        Texts that were asked for earlier are among them too.

        Raises:
            UsageError: The run has no texts.
            IntegrityProblem: A text is missing.
        """
        rows = tuple(lists)
        queries = self._read("queries", {row.query_id for row in rows})
        documents = self._read("documents", {d for row in rows for d in row.doc_ids[:depth]})
        return CandidateTexts(rows, queries, documents, self._titles)

    def _read(self, table: str, ids: AbstractSet[str]) -> Mapping[str, str]:
        held = self._texts[table]
        if absent := ids - held.keys():
            texts, titles = self.run.texts_and_titles(table, absent)
            held |= texts
            self._titles |= titles
        if lacking := ids - held.keys():
            raise IntegrityProblem(
                f"{self.run.root} has no text for {min(lacking)}", f"rankgen verify {self.run.root}"
            )
        return held
