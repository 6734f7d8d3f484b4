"""The run that a subsample is cut out of: whether it can be, its lists and its texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import JsonValue

from rankgen.manifests.counted import counted
from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.records import Document, Query
from rankgen.manifests.run.commit_record import CommitRecord
from rankgen.manifests.run.ledger import Ledger
from rankgen.manifests.run.plan import Plan, read_plan
from rankgen.manifests.run.provenance import (
    all_quarantined,
    commits_digest,
    committed_files,
    is_told,
    read_predicate,
)
from rankgen.manifests.run.query_table import QueryTable, queries_of_run
from rankgen.manifests.run.recipe_lock import tables_digest
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_documents, write_queries
from rankgen.manifests.schema import NOT_RETRIEVED
from rankgen.manifests.storage.digest import sha256_of_value
from rankgen.manifests.teacher_scores import FACT

# The key of a subsample's recipe for the kind of the run that all its lists come from.
SOURCE_KIND = "source_kind"
UNKNOWN = "unknown"
# The entry of an import's manifest that says whether its positions are those of a first stage.
FIRST_STAGE = "first_stage"


@dataclass(frozen=True)
class SubsampleSource:
    """A run with rankings.

    Attributes:
        run: Its folder.
        plan: Its plan; None for a published folder, which has none.
        records: Its commits; empty without a plan.
    """

    run: RunDirectory
    plan: Plan | None
    records: Mapping[int, CommitRecord]

    @classmethod
    def opened(cls, run: RunDirectory, *, partial: bool) -> SubsampleSource:
        """Opens the run.

        Args:
            run: Its folder.
            partial: Whether an unfinished run will do.

        Raises:
            UsageError: The run has no rankings, or is not finished.
        """
        if not run.plan.exists():
            if not run.has_table("rankings"):
                raise run.lacks("rankings")
            return cls(run, None, {})
        plan = read_plan(run)
        records = Ledger(run, plan.fingerprint, plan.shards, plan.tables).records()
        if "rankings" not in plan.tables:
            raise UsageError(
                f"{run.root} is of rankgen {plan.kind} and has no rankings",
                "name the folder of a label or negatives run",
            )
        if not records:
            raise UsageError(f"{run.root} has no ranking yet", "repeat its command first")
        if not partial and not (len(records) == plan.shards and is_told(run, records)):
            raise UsageError(
                f"{run.root} is not finished ({len(records)} of {counted(plan.shards, 'shard')})",
                "repeat its command to resume it, or take what is there with --partial",
            )
        return cls(run, plan, records)

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables of a subsample: rankings, and windows where this run has any."""
        return ("rankings", "windows") if self.run.has_table("windows") else ("rankings",)

    @property
    def kind(self) -> str:
        """The kind of the run that the lists come from, through other subsamples."""
        if self.plan is not None:
            return str(self.plan.recipe.get(SOURCE_KIND, self.plan.kind))
        # A published folder has the manifest of the run that it was.
        predicate = read_predicate(self.run) or {}
        recipe = predicate.get("recipe")
        of_part = recipe.get(SOURCE_KIND) if isinstance(recipe, dict) else None
        return str(of_part or predicate.get("kind", UNKNOWN))

    @property
    def keeps_first(self) -> bool:
        """Whether lists begin with a relevant passage, which stays wherever it was retrieved."""
        return self.kind == "negatives"

    def digest(self) -> str:
        """Returns a digest of the bytes of the lists and windows."""
        if self.plan is None:
            return tables_digest(self.run, self.tables)
        return sha256_of_value(committed_files(self.run, self.plan, self.records))

    def facts(self) -> dict[str, JsonValue]:
        """Returns what the manifest says of this run, and of its teacher's scores."""
        predicate = read_predicate(self.run) or {}
        told: dict[str, JsonValue] = {"kind": self.kind, "rankings_sha256": self.digest()}
        if self.plan is not None:
            told |= {
                "fingerprint": self.plan.fingerprint,
                "commits_sha256": commits_digest(self.records),
                "recipe": self.plan.recipe,
                "queries": self.plan.queries,
                "quarantined": len(all_quarantined(self.records)),
                "shards": f"{len(self.records)} of {self.plan.shards}",
            }
        # An import, or another subsample, tells where its own lists come from.
        before = {"source": predicate["source"]} if "source" in predicate else {}
        kept = {key: predicate[key] for key in (FACT, FIRST_STAGE) if key in predicate}
        return {"source": {**told, **before}, **kept}

    @property
    def knows_positions(self) -> bool:
        """Whether the positions in the lists are those of a first stage."""
        told = (read_predicate(self.run) or {}).get(FIRST_STAGE)
        return told == "known" if isinstance(told, str) else self.kind not in ("import", UNKNOWN)

    def positions(self) -> Iterator[tuple[str, list[int]]]:
        """Yields (query id, first-stage position of each passage) of every list.

        Raises:
            UsageError: The first stage's order of a list is unknown.
        """
        if not self.knows_positions:
            raise self._unplaced("its passages")
        for shard in self.run.shards("rankings", ["query_id", "retrieval_positions"]):
            for row in shard.to_pylist():
                positions = row["retrieval_positions"]
                behind = positions[1:] if self.keeps_first else positions
                if NOT_RETRIEVED in behind:
                    raise self._unplaced(f"the passages of query {row['query_id']}")
                yield row["query_id"], positions

    def _unplaced(self, what: str) -> UsageError:
        return UsageError(
            f"{self.run.root} does not say where the first stage had {what}, so its lists cannot "
            "be cut by depth",
            "leave out --depth",
        )

    def queries(self, query_ids: Sequence[str]) -> QueryTable:
        """Returns queries by their sorted ids, with an empty text where no text is known.

        Raises:
            UsageError: The texts are not there yet.
        """
        texts = self._texts("queries")
        if texts is None:
            return QueryTable(Query(query_id, "") for query_id in query_ids)
        return queries_of_run(texts, query_ids)

    @property
    def has_query_texts(self) -> bool:
        """Whether the texts of the queries are known."""
        return self._texts("queries") is not None

    def documents(self, wanted: AbstractSet[str]) -> Iterator[Document] | None:
        """Returns the documents with these ids; None where no text is known, as of an import.

        Raises:
            UsageError: The texts are not there yet.
        """
        texts = self._texts("documents")
        return None if texts is None else _documents_of(texts, wanted)

    def write_texts(self, run: RunDirectory, queries: QueryTable, fingerprint: str) -> None:
        """Publishes, where there are any, the texts of another run's queries and passages."""
        wanted: set[str] = set()
        for shard in run.shards("rankings", ["doc_ids"]):
            wanted.update(shard["doc_ids"].combine_chunks().flatten().to_pylist())
        if self.has_query_texts:
            write_queries(run, queries, fingerprint)
        documents = self.documents(wanted)
        if documents is not None:
            write_documents(run, documents, fingerprint)

    def _texts(self, table: str) -> RunDirectory | None:
        """Returns the run with the texts: this one, or that which it labels; None without any."""
        if self.run.has_table(table):
            return self.run
        named = None if self.plan is None else self.plan.settings.get("candidates")
        if isinstance(named, str) and (other := RunDirectory(named)).has_table(table):
            return other
        if self.plan is not None and not is_told(self.run, self.records):
            raise UsageError(
                f"{self.run.root} has no texts of its {table} yet",
                "repeat its command to finish it",
            )
        return None


def _documents_of(run: RunDirectory, wanted: AbstractSet[str]) -> Iterator[Document]:
    """Yields a run's documents with these ids, by shard.

    Raises:
        IntegrityProblem: The run lacks the text of one.
    """
    ids = pa.array(sorted(wanted), pa.string())
    held: set[str] = set()
    for shard in run.shards("documents"):
        for row in shard.filter(pc.is_in(shard["doc_id"], value_set=ids)).to_pylist():
            held.add(row["doc_id"])
            yield Document(**row)
    if wanted - held:
        raise IntegrityProblem(
            f"{run.root} has no text of document {min(wanted - held)}",
            f"rankgen verify {run.root}",
        )
