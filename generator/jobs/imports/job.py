"""The import job: rankings that others published in, a run like any other out.

Reading takes one process and no Ray: it is bounded by the disk. A repeated command reads the source
again, and commits the shards that are missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import get_args

import pyarrow as pa
from pydantic import JsonValue

from rankgen.generator.jobs.imports.rows import import_counts, ranking_rows, validate_imported
from rankgen.generator.jobs.imports.settings import ImportSettings
from rankgen.generator.jobs.imports.source import Imported, read_source
from rankgen.generator.jobs.kinds import KINDS
from rankgen.generator.shards.in_process import InProcessJob, run_in_process
from rankgen.manifests.forms.accounting import Losses
from rankgen.manifests.run.plan import Plan, refuse_foreign_folder
from rankgen.manifests.run.query_table import shard_bounds
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_queries, write_sorted_documents
from rankgen.manifests.storage.digest import sha256_of_lines
from rankgen.manifests.storage.scratch import scratch_folder
from rankgen.manifests.storage.storage_faults import named_storage_faults
from rankgen.manifests.teacher_scores import TeacherScores, Unit

# A shard of so many documents takes some 100 MB while it is made.
_QUERIES_PER_SHARD, _DOCUMENTS_PER_SHARD = 10_000, 500_000


@dataclass(frozen=True)
class ImportSummary:
    """What an import published, and what was lost on the way.

    Attributes:
        form: The form of the source; the name of its shape where the user named none.
        shape: The shape of the source.
        source: The source, a data set on the Hub with its commit.
        losses: What was read and lost.
        has_texts: Whether the run has the texts of its queries and documents.
        scores: What the scores are; None for orders alone.
        queries: Number of lists.
        shards: Number of shards.
        resumed_shards: How many of them an earlier command had committed.
        counts: Totals over the shards.
        own_documents: Lists that hold the query itself as a document.
        suspected: Lists that hold a document of their query's id, one of whose texts is not known.
    """

    form: str
    shape: str
    source: str
    losses: Losses
    has_texts: bool
    scores: TeacherScores | None
    queries: int
    shards: int
    resumed_shards: int
    counts: dict[str, int]
    own_documents: int
    suspected: int


def import_rankings(settings: ImportSettings) -> ImportSummary:
    """Reads rankings that others published and publishes them as a run.

    Raises:
        UsageError: The source cannot be read, or the folder belongs to another run.
        EnvironmentProblem: The Hub, the collection or the run's store cannot be reached.
        IntegrityProblem: Committed files are damaged.
    """
    run = RunDirectory(settings.out)
    refuse_foreign_folder(run)
    with scratch_folder("import") as folder:
        with named_storage_faults(folder):
            imported = read_source(settings, folder)
        return _publish(run, settings, imported)


def _publish(run: RunDirectory, settings: ImportSettings, imported: Imported) -> ImportSummary:
    plan = _plan(settings, imported)
    job = InProcessJob(
        run=run,
        plan=plan,
        unit=KINDS["import"].unit,
        queries=imported.queries,
        fill=lambda task: {"rankings": _rankings(imported, plan, task.shard)},
        counts=lambda tables: import_counts(tables["rankings"]),
        validate=validate_imported,
        finish=lambda counts: _finish(run, plan, settings, imported, counts),
    )
    done = run_in_process(job)
    keeps = settings.own_document == "keep"
    return ImportSummary(
        form=imported.found.form,
        shape=imported.found.preset.shape,
        source=imported.source.name,
        losses=imported.losses,
        has_texts=imported.has_query_texts and imported.texts.rows > 0,
        scores=_scores(settings, imported, done.counts),
        queries=done.queries,
        shards=done.shards,
        resumed_shards=done.resumed_shards,
        counts=done.counts,
        own_documents=len(imported.own.same) if keeps else 0,
        suspected=len(imported.own.suspected) if keeps else 0,
    )


def _plan(settings: ImportSettings, imported: Imported) -> Plan:
    preset, rule, count = imported.found.preset, imported.rule, len(imported.queries)
    # A form's own name changes nothing, only what its readers know of it.
    known = {key: value for key, value in asdict(preset).items() if key not in ("about", "unit")}
    recipe: dict[str, JsonValue] = {
        "source_sha256": imported.source.sha256,
        "config": settings.config,
        **known,
        "score_unit": _unit(settings, imported),
        **rule._asdict(),
        "missing": settings.missing,
        "duplicates": settings.duplicates,
    }
    if settings.own_document != "keep":
        recipe["own_document"] = settings.own_document
    if settings.collection is not None:
        recipe["collection"] = settings.collection
        rows = (part for row in imported.texts for part in row)
        recipe["documents_sha256"] = sha256_of_lines(rows)
    shards = max(
        -(-count // _QUERIES_PER_SHARD), -(-imported.lists.documents // _DOCUMENTS_PER_SHARD), 1
    )
    told: dict[str, JsonValue] = {
        "form": imported.found.form,
        "losses": imported.losses.model_dump(),
    }
    return Plan(
        kind="import",
        tables=KINDS["import"].tables,
        recipe=recipe,
        settings=settings.model_dump(mode="json") | told,
        shards=settings.shards or min(shards, count),
        queries=count,
        queries_sha256=imported.queries.digest(),
    )


def _rankings(imported: Imported, plan: Plan, shard: int) -> pa.Table:
    bounds = shard_bounds(plan.queries, shard, plan.shards)
    return ranking_rows(imported.lists.between(*bounds))


def _finish(
    run: RunDirectory,
    plan: Plan,
    settings: ImportSettings,
    imported: Imported,
    counts: Mapping[str, int],
) -> dict[str, JsonValue]:
    """Publishes the texts that are known, and returns what the manifest says of the source."""
    if imported.has_query_texts:
        write_queries(run, imported.queries, plan.fingerprint)
    if imported.texts.rows:
        count = sum(1 for _ in imported.documents())
        write_sorted_documents(run, imported.documents(), count, plan.fingerprint)
    return _facts(imported, _scores(settings, imported, counts))


def _facts(imported: Imported, scores: TeacherScores | None) -> dict[str, JsonValue]:
    knows = imported.lists.first_stages
    stage = "known" if knows == len(imported.lists) else "known of some" if knows else "unknown"
    facts: dict[str, JsonValue] = {
        "source": imported.source.name,
        "form": imported.found.form,
        "losses": imported.losses.model_dump(),
        # Where it is unknown, retrieval_positions count the imported order itself.
        "first_stage": stage,
    }
    return facts if scores is None else facts | scores.as_facts()


def _scores(
    settings: ImportSettings, imported: Imported, counts: Mapping[str, int]
) -> TeacherScores | None:
    """Returns what the scores are; None where no list has any."""
    if not counts["lists_with_scores"]:
        return None
    return TeacherScores(unit=_unit(settings, imported), source=imported.source.name)


def _unit(settings: ImportSettings, imported: Imported) -> Unit:
    told = {word.replace(" ", "-"): word for word in get_args(Unit)}
    unit: Unit = "label" if imported.losses.scores_from_sides else imported.found.preset.unit
    return unit if settings.score_unit is None else told[settings.score_unit]
