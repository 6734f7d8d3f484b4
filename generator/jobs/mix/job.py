"""The mix job: several labelled runs in, one run with an order of all of them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from rankgen.generator.jobs.kinds import KINDS
from rankgen.generator.jobs.mix.overlap import LeftOut, in_common
from rankgen.generator.jobs.mix.rows import MixedRows, mix_counts
from rankgen.generator.jobs.mix.settings import MixSettings
from rankgen.generator.jobs.subsample.rows import validate_subsample
from rankgen.generator.jobs.subsample.source import FIRST_STAGE, SubsampleSource
from rankgen.generator.shards.in_process import InProcessJob, run_in_process
from rankgen.generator.shards.job import JobSummary
from rankgen.manifests.errors import UsageError
from rankgen.manifests.run.plan import Plan, default_shards
from rankgen.manifests.run.query_table import QueryTable
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.teacher_scores import TeacherScores


class Mixed(NamedTuple):
    """What a mix published, and what it left out."""

    job: JobSummary
    left_out: LeftOut


def mix(settings: MixSettings) -> Mixed:
    """Publishes one list for each query that every run ranks, of the passages that every run ranks.

    The first stage's positions and scores are those of the first run.

    Raises:
        UsageError: A run is not finished, has no scores to take the mean of, or the runs have no
            passage of any query in common.
        RankgenError: See `run_in_process`.
    """
    run = RunDirectory(settings.out)
    sources = [
        SubsampleSource.opened(RunDirectory(root), partial=settings.partial)
        for root in settings.rankings
    ]
    query_ids, left_out = in_common([source.run for source in sources])
    if not query_ids:
        raise UsageError(
            f"{sources[0].run.root} and the other runs rank no passage of a query in common",
            "mix runs on the same candidates",
        )
    queries = sources[0].queries(query_ids)
    if settings.method == "scores":
        _check_scores(sources)
    plan = _plan(settings, sources, queries)

    def finish(_: Mapping[str, int]) -> dict[str, JsonValue]:
        sources[0].write_texts(run, queries, plan.fingerprint)
        return _facts(settings, sources, left_out)

    rows = MixedRows([source.run for source in sources], settings.method)
    job = InProcessJob(
        run=run,
        plan=plan,
        unit=KINDS["mix"].unit,
        queries=queries,
        fill=lambda task: rows.fill(task.queries),
        counts=mix_counts,
        validate=validate_subsample,
        finish=finish,
    )
    return Mixed(run_in_process(job), left_out)


def _plan(settings: MixSettings, sources: Sequence[SubsampleSource], queries: QueryTable) -> Plan:
    return Plan(
        kind="mix",
        tables=KINDS["mix"].tables,
        recipe={
            "rankings_sha256": ",".join(source.digest() for source in sources),
            "method": settings.method,
        },
        settings=settings.model_dump(mode="json"),
        shards=settings.shards or default_shards(len(queries)),
        queries=len(queries),
        queries_sha256=queries.digest(),
    )


def _check_scores(sources: Sequence[SubsampleSource]) -> None:
    for source in sources:
        shards = source.run.shards("rankings", ["teacher_scores"])
        lacking = sum(shard["teacher_scores"].null_count for shard in shards)
        if lacking:
            raise UsageError(
                f"{lacking:,} rankings in {source.run.root} have no teacher's scores",
                "mix orders instead: --method rrf",
            )


def _facts(
    settings: MixSettings, sources: Sequence[SubsampleSource], left_out: LeftOut
) -> dict[str, JsonValue]:
    """Returns where the lists come from, and what was left out."""
    told = [source.facts() for source in sources]
    facts: dict[str, JsonValue] = {
        "sources": [one["source"] for one in told],
        **left_out._asdict(),
        # The positions are those of the first run, whatever they are.
        **{key: value for key, value in told[0].items() if key == FIRST_STAGE},
    }
    if settings.method == "scores":
        scores = TeacherScores(unit="run score", source=f"mean of {len(sources)} teachers' scores")
        facts |= scores.as_facts()
    return facts
