"""The lists of a run as the writer of a form takes them, read shard by shard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypedDict

from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.forms.shared_list import SharedList
from rankgen.manifests.forms.writers.base import ScoresFrom
from rankgen.manifests.records import Query
from rankgen.manifests.run.known_first_stage import knows_first_stage
from rankgen.manifests.run.plan import read_plan
from rankgen.manifests.run.provenance import read_predicate
from rankgen.manifests.run.query_table import QueryTable
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import DocumentTexts
from rankgen.manifests.schema import NOT_RETRIEVED
from rankgen.manifests.teacher_scores import fault_of_scores

OrderFrom = Literal["teacher", "first-stage"]
_ORDER_ALONE = "add --scores order to write the places in the order instead"


class _Row(TypedDict, total=False):
    """The columns of `rankings` that are read; of `candidates` the first two and the scores."""

    query_id: str
    doc_ids: list[str]
    retrieval_positions: list[int]
    retrieval_scores: list[float]
    status: str
    teacher_scores: list[float] | None
    unranked: list[str] | None


@dataclass(frozen=True)
class Wanted:
    """Which lists of a run, and what of them.

    Attributes:
        order: Whose order the lists are in.
        scores: Whose scores they have; None for those that belong to the order, if there are any.
        stand_in: Taken where `scores` is None and a list has none.
        depth: The best documents of each list, in that order; None for all.
        with_texts: Whether they have texts.
    """

    order: OrderFrom = "teacher"
    scores: ScoresFrom | None = None
    stand_in: ScoresFrom | None = None
    depth: int | None = None
    with_texts: bool = False


class RunLists:
    """The lists of a run, in the order of its shards.

    Args:
        run: A run with rankings, or with candidates alone: these are in the order of the first
            stage or of a student, and so are their scores.
        wanted: Which lists.
        counts: Counts the lists whose scores are not in their order, and the documents left out
            because the teacher's order of them was not kept.

    Raises:
        UsageError: The run has neither table, or lacks the texts or the teacher that are asked for.
    """

    def __init__(self, run: RunDirectory, wanted: Wanted, counts: Counter[str]) -> None:
        self._run, self._wanted, self._counts = run, wanted, counts
        self._table = "rankings" if run.has_table("rankings") else "candidates"
        if not run.has_table(self._table):
            raise run.lacks("rankings")
        self._told = read_predicate(run) or {}
        # An unfinished run has a plan alone, a published one a manifest alone.
        self._kind = read_plan(run).kind if run.plan.exists() else self._told.get("kind")
        lacking = _lacking(run, self._table, wanted, is_import=self._kind == "import")
        if lacking is not None:
            raise UsageError(f"{run.root} {lacking[0]}", lacking[1])

    def __iter__(self) -> Iterator[SharedList]:
        """Yields the lists, without those of no document.

        Raises:
            IntegrityProblem: A list's scores are not one finite number for each document.
        """
        columns = list(_Row.__annotations__) if self._table == "rankings" else None
        for shard in self._run.shards(self._table, columns):
            for row in shard.to_pylist():
                if row["doc_ids"]:
                    yield self._with_texts(self._list_of(row))

    def _list_of(self, row: _Row) -> SharedList:
        query_id, doc_ids = row["query_id"], row["doc_ids"]
        first_stage, own = tuple(doc_ids), dict(zip(doc_ids, row["retrieval_scores"], strict=True))
        teacher = row.get("teacher_scores")
        self._counts["documents_below_the_kept_top_left_out"] += len(row.get("unranked") or ())
        if self._table == "rankings":
            first_stage = ()
            positions = row["retrieval_positions"]
            if knows_first_stage(self._told, self._kind, positions):
                first_stage = _by_position(doc_ids, positions)
            if fault := fault_of_scores(teacher, len(doc_ids)):
                raise IntegrityProblem(
                    f"{self._run.root}: the ranking of query {query_id}: {fault}",
                    f"rankgen verify {self._run.root}",
                )
        if self._wanted.order == "first-stage" and not first_stage:
            raise UsageError(
                f"the first stage's order of query {query_id} is not known",
                "leave out --order to write the teacher's",
            )
        is_first = self._wanted.order == "first-stage" or self._table == "candidates"
        given = dict(zip(doc_ids, teacher, strict=True)) if teacher is not None else None
        order = (first_stage if is_first else tuple(doc_ids))[: self._wanted.depth]
        source = self._wanted.scores or ("first-stage" if is_first else "teacher")
        if source == "teacher" and given is None and self._wanted.scores is None:
            source = self._wanted.stand_in or source
        return SharedList(
            where="",
            query_id=query_id,
            doc_ids=order,
            scores=self._scores(source, order, given, own),
            first_stage=tuple(d for d in first_stage if d in set(order)) or None,
            is_whole=row.get("status", "complete") == "complete",
        )

    def _scores(
        self,
        source: ScoresFrom,
        order: tuple[str, ...],
        teacher: Mapping[str, float] | None,
        first_stage: Mapping[str, float],
    ) -> tuple[float, ...] | None:
        if source == "order":
            return tuple(float(len(order) - place) for place in range(len(order)))
        if source == "reciprocal":
            return tuple(1.0 / rank for rank in range(1, len(order) + 1))
        held = teacher if source == "teacher" else first_stage
        if held is None:
            return None
        scores = tuple(float(held[doc_id]) for doc_id in order)
        self._counts["lists_with_scores_against_order"] += scores != tuple(
            sorted(scores, reverse=True)
        )
        return scores

    def _with_texts(self, ranked: SharedList) -> SharedList:
        if not self._wanted.with_texts:
            return ranked
        query = self._queries.find(ranked.query_id)
        held = self._documents[ranked.doc_ids]
        return ranked._replace(
            query=query.text if query else None,
            documents=tuple(held[doc_id] for doc_id in ranked.doc_ids),
        )

    @cached_property
    def _queries(self) -> QueryTable:
        return QueryTable(
            Query(**row) for shard in self._run.shards("queries") for row in shard.to_pylist()
        )

    @cached_property
    def _documents(self) -> DocumentTexts:
        return DocumentTexts(self._run)


def with_equal_scores(lists: Iterator[SharedList], *, needed: bool) -> Iterator[SharedList]:
    """Yields the lists, all of them with scores or all without.

    Args:
        lists: The lists.
        needed: Whether a form needs scores.

    Raises:
        UsageError: A list has no scores although the form needs them or others have them.
    """
    has_scores: bool | None = None
    for ranked in lists:
        has_now = ranked.scores is not None
        if needed and not has_now:
            raise UsageError(
                f"the teacher of query {ranked.query_id} gave an order without scores, and this "
                "form needs scores",
                _ORDER_ALONE,
            )
        if has_scores not in (None, has_now):
            raise UsageError(
                f"some lists have the teacher's scores and others, such as that of query "
                f"{ranked.query_id}, do not",
                _ORDER_ALONE,
            )
        has_scores = has_now
        yield ranked


def _lacking(
    run: RunDirectory, table: str, wanted: Wanted, *, is_import: bool
) -> tuple[str, str] | None:
    """Returns what a run lacks of what is wanted and what to type instead; None for nothing."""
    if wanted.scores == "teacher" and table == "candidates":
        return (
            "holds candidates, which no teacher has scored",
            "leave out --scores to write their own scores",
        )
    takes_first_stage = wanted.scores is None and wanted.order == "first-stage"
    if is_import and (wanted.scores == "first-stage" or takes_first_stage):
        return (
            "was imported, and no scores of a first stage are known",
            "add --scores order to write the places in the order instead",
        )
    if wanted.with_texts and not (run.has_table("documents") and run.has_table("queries")):
        return (
            "has no texts of its queries and documents",
            "export a form of ids such as lists or trec-run; a run gets its texts when it is "
            "finished, and an imported one with rankgen import --collection",
        )
    return None


def _by_position(doc_ids: list[str], places: list[int]) -> tuple[str, ...]:
    """Returns the first stage's order; a relevant passage that was not retrieved comes last."""
    ordered = sorted(range(len(doc_ids)), key=lambda i: (places[i] == NOT_RETRIEVED, places[i]))
    return tuple(doc_ids[i] for i in ordered)
