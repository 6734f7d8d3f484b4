"""The import job: rankings that others published in, a run like any other out.

Reading takes one process and no Ray: it is bounded by the disk. A repeated command reads the source
again, and commits the shards that are missing.
"""

from __future__ import annotations

import tempfile
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

from pydantic import JsonValue

from rankgen.generator.jobs.import_rows import import_counts, ranking_rows, validate_imported
from rankgen.generator.jobs.import_settings import ImportSettings
from rankgen.generator.jobs.import_source import Imported, read_source
from rankgen.generator.jobs.kinds import KINDS
from rankgen.generator.shards.drivers import LEFT, STARTED, other_driver
from rankgen.generator.shards.events import EventLog
from rankgen.manifests.forms.accounting import Losses
from rankgen.manifests.progress import progress
from rankgen.manifests.run.commit_record import Attempt
from rankgen.manifests.run.ledger import Ledger
from rankgen.manifests.run.plan import Plan, open_plan, refuse_foreign_folder
from rankgen.manifests.run.provenance import is_told, total_counts, write_manifest
from rankgen.manifests.run.query_table import shard_bounds
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.store_probe import probed_store
from rankgen.manifests.run.texts import write_queries, write_sorted_documents
from rankgen.manifests.storage.atomic import whole_file
from rankgen.manifests.storage.digest import sha256_of_lines
from rankgen.manifests.storage.shard import write_shard
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


def import_rankings(settings: ImportSettings) -> ImportSummary:
    """Reads rankings that others published and publishes them as a run.

    Raises:
        UsageError: The source cannot be read, or the folder belongs to another run.
        EnvironmentProblem: The Hub, the collection or the run's store cannot be reached.
        IntegrityProblem: Committed files are damaged.
    """
    run = RunDirectory(settings.out)
    refuse_foreign_folder(run)
    with tempfile.TemporaryDirectory(prefix="rankgen-") as folder:
        with named_storage_faults(Path(folder)):
            imported = read_source(settings, Path(folder))
        with named_storage_faults(run.root), probed_store(run):
            events = EventLog(run)
            events.write(STARTED)
            events.flush()
            try:
                return _publish(run, settings, imported)
            finally:
                events.write(LEFT)
                events.close()


def _publish(run: RunDirectory, settings: ImportSettings, imported: Imported) -> ImportSummary:
    plan = open_plan(run, _plan(settings, imported), imported.queries, other_driver(run))
    ledger = Ledger(run, plan.fingerprint, plan.shards, plan.tables)
    resumed = ledger.settle()
    with progress("import", plan.shards, len(resumed)) as shown:
        for shard in range(plan.shards):
            if shard not in resumed:
                _commit(run, plan, ledger, imported, shard)
                shown.advance()
    records = ledger.settle()
    counts = total_counts(records)
    scores = _scores(settings, imported) if counts["lists_with_scores"] else None
    if not is_told(run, records):
        _finish(run, plan, imported)
        write_manifest(run, plan, ledger.history(), _facts(imported, scores))
    ledger.discard_work_in_progress()
    return ImportSummary(
        form=imported.found.form,
        shape=imported.found.preset.shape,
        source=imported.source.name,
        losses=imported.losses,
        has_texts=imported.has_query_texts and imported.texts.rows > 0,
        scores=scores,
        queries=plan.queries,
        shards=plan.shards,
        resumed_shards=len(resumed),
        counts=counts,
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


def _commit(run: RunDirectory, plan: Plan, ledger: Ledger, imported: Imported, shard: int) -> None:
    """Makes one shard and commits it."""
    began, clock = time.time(), time.monotonic()
    lists = imported.lists.between(*shard_bounds(plan.queries, shard, plan.shards))
    rankings = ranking_rows(lists)
    name = f"{shard:05d}.0-{uuid.uuid4().hex}"
    with whole_file(run.attempts / name / "rankings.parquet") as draft:
        write_shard(draft, "rankings", rankings, plan.fingerprint)
    attempt = Attempt(
        shard=shard,
        revision=0,
        name=name,
        quarantined={},
        counts=import_counts(rankings),
        facts={"began": round(began, 3), "seconds": round(time.monotonic() - clock, 3)},
    )
    ledger.commit(attempt, lists["query_id"].to_pylist(), validate_imported)


def _finish(run: RunDirectory, plan: Plan, imported: Imported) -> None:
    """Publishes the texts that are known."""
    if imported.has_query_texts:
        write_queries(run, imported.queries, plan.fingerprint)
    if imported.texts.rows:
        count = sum(1 for _ in imported.documents())
        write_sorted_documents(run, imported.documents(), count, plan.fingerprint)


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


def _scores(settings: ImportSettings, imported: Imported) -> TeacherScores:
    return TeacherScores(unit=_unit(settings, imported), source=imported.source.name)


def _unit(settings: ImportSettings, imported: Imported) -> Unit:
    told = {word.replace(" ", "-"): word for word in get_args(Unit)}
    unit: Unit = "label" if imported.losses.scores_from_sides else imported.found.preset.unit
    return unit if settings.score_unit is None else told[settings.score_unit]
