"""The subsample job: a labelled set in, a part of it out, as a run like any other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, JsonValue

from rankgen.generator.jobs.kinds import KINDS
from rankgen.generator.jobs.subsample.projection import kept_places
from rankgen.generator.jobs.subsample.rows import (
    SubsampleRows,
    subsample_counts,
    validate_subsample,
)
from rankgen.generator.jobs.subsample.settings import SubsampleSettings
from rankgen.generator.jobs.subsample.source import SOURCE_KIND, SubsampleSource
from rankgen.generator.shards.in_process import InProcessJob, run_in_process
from rankgen.generator.shards.job import JobSummary
from rankgen.manifests.counted import counted
from rankgen.manifests.errors import UsageError
from rankgen.manifests.run.plan import Plan, default_shards
from rankgen.manifests.run.query_table import QueryTable
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.retrieval.collections.sampling import sample_queries


class SubsampleSize(BaseModel):
    """How much of a run is kept.

    Attributes:
        queries: Lists that are kept, of `queries_before`.
        passages: Passages of these lists that are kept, of `passages_before`.
        longest_list: Passages in the longest kept list.
        short_lists: Kept lists with fewer passages than the depth.
        unordered_lists: Kept lists of fewer than two passages, which order nothing.
        shards: Planned shards.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    queries: int
    queries_before: int
    passages: int
    passages_before: int
    longest_list: int
    short_lists: int
    unordered_lists: int
    shards: int

    def text(self) -> str:
        """Returns the size in a sentence."""
        short = f"; {counted(self.short_lists, 'list')} shorter than the depth"
        return (
            f"{self.queries:,} of {counted(self.queries_before, 'query')}, {self.passages:,} of "
            f"the {counted(self.passages_before, 'passage')} of their lists"
            + (short if self.short_lists else "")
        )


@dataclass(frozen=True)
class PlannedSubsample:
    """A subsample before its work.

    Attributes:
        source: The run that it is cut out of.
        plan: Its plan.
        queries: Its queries.
        size: How much it keeps.
    """

    source: SubsampleSource
    plan: Plan
    queries: QueryTable
    size: SubsampleSize


def subsample(settings: SubsampleSettings) -> tuple[JobSummary, SubsampleSize]:
    """Publishes the lists of some queries, cut to a depth, without labelling anything again.

    Queries are drawn by `sample_queries`: by the hash of seed and id, so that a smaller sample is
    part of every larger one and no order of the source matters. Windows are cut along with their
    lists; see `projection`.

    Raises:
        UsageError: The run cannot be cut so; see `plan_subsample`.
        RankgenError: See `run_in_process`.
    """
    planned = plan_subsample(settings)
    run, rows = RunDirectory(settings.out), SubsampleRows(planned.source, settings.depth)
    job = InProcessJob(
        run=run,
        plan=planned.plan,
        unit=KINDS["subsample"].unit,
        queries=planned.queries,
        fill=lambda task: rows.fill(task.queries),
        counts=subsample_counts,
        validate=validate_subsample,
        finish=lambda _: _finish(planned, run),
    )
    return run_in_process(job), planned.size


def plan_subsample(settings: SubsampleSettings) -> PlannedSubsample:
    """Returns the plan of a subsample; writes nothing.

    Raises:
        UsageError: The run is not finished, has fewer queries, or has no list of that depth, or
            the first stage's order of its lists is unknown.
    """
    source = SubsampleSource.opened(RunDirectory(settings.rankings), partial=settings.partial)
    held = _held(source, settings.depth)
    _check_depth(source, settings.depth, held)
    queries = _drawn(source, settings, held)
    size = _size(settings, held, queries)
    plan = Plan(
        kind="subsample",
        tables=source.tables,
        recipe={
            SOURCE_KIND: source.kind,
            "rankings_sha256": source.digest(),
            **{key: getattr(settings, key) for key in ("queries", "depth", "seed")},
        },
        settings=settings.model_dump(mode="json"),
        shards=size.shards,
        queries=len(queries),
        queries_sha256=queries.digest(),
    )
    return PlannedSubsample(source, plan, queries, size)


@dataclass(frozen=True)
class _Held:
    """A list of the source: its length, what is kept of it, and how deep it goes."""

    passages: int
    kept: int
    deepest: int


def _held(source: SubsampleSource, depth: int | None) -> dict[str, _Held]:
    """Returns query id -> its list in numbers."""
    if depth is None:
        return {q: _Held(n, n, n) for q, n in _lengths(source)}
    cut = (
        (q, p, kept_places(p, depth, keeps_first=source.keeps_first)) for q, p in source.positions()
    )
    return {q: _Held(len(p), len(places), max(p, default=0)) for q, p, places in cut}


def _lengths(source: SubsampleSource) -> Iterator[tuple[str, int]]:
    for shard in source.run.shards("rankings", ["query_id", "doc_ids"]):
        lists = zip(shard["query_id"].to_pylist(), shard["doc_ids"].to_pylist(), strict=True)
        yield from ((query_id, len(doc_ids)) for query_id, doc_ids in lists)


def _check_depth(source: SubsampleSource, depth: int | None, held: dict[str, _Held]) -> None:
    deepest = max((one.deepest for one in held.values()), default=0)
    if depth is not None and depth > deepest:
        raise UsageError(
            f"the lists of {source.run.root} go down to first-stage rank {deepest}, not {depth}",
            f"use at most --depth {deepest}, or label deeper candidates"
            if deepest >= 2
            else "label deeper candidates",
        )


def _drawn(
    source: SubsampleSource, settings: SubsampleSettings, held: dict[str, _Held]
) -> QueryTable:
    wanted = settings.queries
    if wanted is not None and wanted > len(held):
        raise UsageError(
            f"{source.run.root} has {len(held):,} ranked queries, fewer than {wanted:,}",
            f"use at most --queries {len(held)}",
        )
    queries = source.queries(sorted(held))
    if wanted is None:
        return queries
    return QueryTable(sample_queries(queries, wanted, settings.seed))


def _size(
    settings: SubsampleSettings, held: dict[str, _Held], queries: QueryTable
) -> SubsampleSize:
    kept = [held[query.query_id] for query in queries]
    return SubsampleSize(
        queries=len(kept),
        queries_before=len(held),
        passages=sum(one.kept for one in kept),
        passages_before=sum(one.passages for one in kept),
        longest_list=max((one.kept for one in kept), default=0),
        short_lists=sum(one.kept < (settings.depth or 0) for one in kept),
        unordered_lists=sum(one.kept < 2 for one in kept),
        shards=settings.shards or default_shards(len(kept)),
    )


def _finish(planned: PlannedSubsample, run: RunDirectory) -> dict[str, JsonValue]:
    """Writes the texts of the kept queries and passages, and returns where the lists come from."""
    planned.source.write_texts(run, planned.queries, planned.plan.fingerprint)
    return planned.source.facts()
