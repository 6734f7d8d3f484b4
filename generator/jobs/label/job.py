"""The label job: a teacher ranks the candidates of a run; all its calls are kept as evidence."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from pydantic import JsonValue

from rankgen.generator.engines.cost.purse import CostCapReached
from rankgen.generator.engines.server.address import server_address
from rankgen.generator.engines.server.answered_model import answer_record
from rankgen.generator.engines.server.notes import server_notes
from rankgen.generator.engines.server.served_run import ServedRun
from rankgen.generator.engines.vllm.arguments import checked_dtype
from rankgen.generator.engines.vllm.dtype import own_dtype
from rankgen.generator.jobs.kinds import KINDS
from rankgen.generator.jobs.label.checks import validate_rankings
from rankgen.generator.jobs.label.cost import CostOfRun
from rankgen.generator.jobs.label.factory import LabelFactory
from rankgen.generator.jobs.label.held_versions import VLLM_KEY, vllm_version, with_held_versions
from rankgen.generator.jobs.label.pool import USUAL_CHAINS, size_pool
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.shards.job import JobSummary, ShardJob, run_job
from rankgen.generator.shards.pool_settings import PoolSettings
from rankgen.generator.shards.settled import AUTO, settled
from rankgen.generator.strategies.simulated import simulated_windows
from rankgen.generator.teachers.pair_family import unit_of_scores
from rankgen.generator.teachers.presets import split_teacher
from rankgen.generator.teachers.revision import with_pinned_revision
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.generator.teachers.sources import anchored
from rankgen.generator.teachers.teacher_recipe import teacher_recipe
from rankgen.manifests.errors import UsageError
from rankgen.manifests.notices import warn
from rankgen.manifests.run.candidate_lists import CandidateLists
from rankgen.manifests.run.plan import Plan, default_shards
from rankgen.manifests.run.provenance import read_predicate
from rankgen.manifests.run.query_table import QueryTable, queries_of_run
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import digest_of_documents, link_texts
from rankgen.manifests.teacher_scores import TeacherScores


def label(settings: LabelRunSettings, beside: Sequence[RunDirectory] = ()) -> JobSummary:
    """Ranks every query's candidates with the teacher and publishes the rankings.

    Args:
        settings: What to rank, and by whom.
        beside: Runs whose calls count against the cap on the cost too.

    Raises:
        RankgenError: See `run_job`; also for wrong settings or candidates.
    """
    run = RunDirectory(settings.out)
    teacher = with_pinned_revision(settings.teacher.resolved(), run)
    settings = settings.model_copy(update={"teacher": teacher})
    plan, queries = plan_labels(settings)
    if teacher.engine != "vllm":
        return _run(settings, plan, queries, beside)
    own = own_dtype(teacher.model or "", teacher.revision)
    with settled(
        run,
        "dtype",
        teacher.dtype or AUTO,
        partial(checked_dtype, own, teacher.engine_args),
        may_use_gpus=True,
        ray_address=settings.ray_address,
    ) as dtype:
        teacher = teacher.model_copy(update={"dtype": dtype})
        settings = settings.model_copy(update={"teacher": teacher})
        vllm = vllm_version(run, plan, settings.ray_address)
        changes = {
            "recipe": {**plan.recipe, "dtype": dtype, VLLM_KEY: vllm},
            # `verify --relabel` uses these settings.
            "settings": _shown(settings),
        }
        return _run(settings, plan.model_copy(update=changes), queries, beside)


def _run(
    settings: LabelRunSettings, plan: Plan, queries: QueryTable, beside: Sequence[RunDirectory]
) -> JobSummary:
    run = RunDirectory(settings.out)
    held = with_held_versions(run, plan, allow_others=settings.allow_other_versions)
    cost = CostOfRun(RunDirectory(run.root.absolute()), settings.teacher, beside)
    try:
        summary = run_job(_job(settings, held, plan.recipe, queries, cost))
    except CostCapReached as reached:
        raise cost.told(reached, planned_windows(settings)) from reached
    _tell_of_servers(run)
    return summary


def _tell_of_servers(run: RunDirectory) -> None:
    predicate = read_predicate(run) or {}
    environments = predicate.get("environments")
    for sentence in server_notes(environments if isinstance(environments, list) else []):
        warn(f"{run.root}: {sentence}")


def _job(
    settings: LabelRunSettings,
    plan: Plan,
    wanted: dict[str, JsonValue],
    queries: QueryTable,
    cost: CostOfRun,
) -> ShardJob:
    source, run = RunDirectory(settings.candidates), RunDirectory(settings.out)
    here = RunDirectory(run.root.absolute())
    teacher = settings.teacher
    # A worker with vLLM says how many it wants once its engine runs.
    in_flight = teacher.concurrency or USUAL_CHAINS

    def pool() -> PoolSettings:
        cost.open()
        return size_pool(settings, teacher, in_flight)

    return ShardJob(
        run=run,
        plan=plan,
        unit=KINDS["label"].unit,
        queries=queries,
        factory=LabelFactory(
            source.root.absolute(),
            anchored(teacher),
            plan.recipe.get("documents_sha256"),
            wanted,
            ServedRun(answer_record(here, plan), here.batches, cost.cap),
        ),
        validate=validate_rankings,
        finish=lambda: _publish(source, run, teacher),
        pool=pool,
        max_failed=settings.max_failed,
        # A server may be down for a while, or a model may answer differently in another batch.
        tries_again=True,
        ray_address=settings.ray_address,
    )


def _publish(
    source: RunDirectory, run: RunDirectory, teacher: LabelSettings
) -> Mapping[str, JsonValue]:
    """Links the texts and returns, for the manifest, what the scores are, if there are any."""
    link_texts(source, run)
    unit = unit_of_scores(teacher)
    columns = run.shards("rankings", ["teacher_scores"])
    if unit is None or all(shard.num_rows == shard[0].null_count for shard in columns):
        return {}
    name, _, argument = teacher.teacher.partition(":")
    # Where a model or a run lies is nobody's business.
    who = f"{name} {Path(argument or teacher.model or '').name}".strip()
    return TeacherScores(unit=unit, source=who).as_facts()


def plan_labels(settings: LabelRunSettings) -> tuple[Plan, QueryTable]:
    """Returns the plan of a label run and its queries.

    Raises:
        UsageError: The candidates are not a finished run, or a setting is wrong.
    """
    teacher = settings.teacher.resolved()
    source = RunDirectory(settings.candidates)
    lists = CandidateLists.finished(source)
    losses = _recorded_losses(source, teacher, settings.only)
    queries = queries_of_run(source, _chosen(lists, source, settings.only))
    recipe = {"candidates_sha256": lists.digest(), **teacher_recipe(teacher)}
    if teacher.preset.reads_texts:
        recipe["documents_sha256"] = digest_of_documents(source)
    plan = Plan(
        kind="label",
        tables=KINDS["label"].tables,
        recipe=recipe,
        settings=_shown(settings) | losses,
        shards=settings.shards or default_shards(len(queries)),
        queries=len(queries),
        queries_sha256=queries.digest(),
    )
    return plan, queries


def _chosen(
    lists: CandidateLists, source: RunDirectory, only: Collection[str] | None
) -> Iterable[str]:
    if only is None:
        return lists.query_ids()
    if unknown := sorted(set(only).difference(lists.query_ids())):
        raise UsageError(f"{source.root} has no candidates for query {unknown[0]}", "check --only")
    return sorted(set(only))


def planned_windows(settings: LabelRunSettings) -> int:
    """Returns the number of windows of a whole run, as `--dry-run` counts them."""
    teacher = settings.teacher.resolved()
    only = None if settings.only is None else frozenset(settings.only)
    return sum(
        len(
            simulated_windows(
                len(row.doc_ids), teacher.strategy, teacher.shape, teacher.passes, teacher.shuffle
            )
        )
        for row in RunDirectory(settings.candidates).candidates()
        if only is None or row.query_id in only
    )


def _recorded_losses(
    source: RunDirectory, teacher: LabelSettings, only: Collection[str] | None
) -> dict[str, JsonValue]:
    """Returns what the run file of a recorded teacher lacks or leaves open; {} for others."""
    preset, argument = split_teacher(teacher.teacher)
    if not preset.takes_order:
        return {}
    from rankgen.generator.teachers.recorded import recorded_losses

    chosen = None if only is None else frozenset(only)
    candidates = (row for row in source.candidates() if chosen is None or row.query_id in chosen)
    losses = recorded_losses(Path(argument or ""), teacher.order or "score", candidates)
    return {"recorded_run": dict(losses)}


def _shown(settings: LabelRunSettings) -> dict[str, JsonValue]:
    """Returns the settings to store, with only the showable part of a server's address."""
    url = settings.teacher.base_url
    if url is not None:
        teacher = settings.teacher.model_copy(update={"base_url": server_address(url).shown})
        settings = settings.model_copy(update={"teacher": teacher})
    return settings.model_dump(mode="json")
