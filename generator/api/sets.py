"""The functions that make labelled sets of others, and hand them on; see `steps`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rankgen.generator.api.results import Result, ranked_rows
from rankgen.generator.api.steps import step
from rankgen.generator.commands.options import RunFolder
from rankgen.generator.jobs.export.settings import ExportSettings
from rankgen.generator.jobs.imports.settings import ImportSettings
from rankgen.generator.jobs.mix.settings import MixSettings
from rankgen.generator.jobs.subsample.settings import SubsampleSettings
from rankgen.manifests.publishing.settings import PublishSettings
from rankgen.manifests.run.run_directory import RunDirectory

if TYPE_CHECKING:
    from rankgen.generator.jobs.export.job import ExportSummary
    from rankgen.generator.jobs.imports.job import ImportSummary
    from rankgen.generator.jobs.mix.job import Mixed
    from rankgen.generator.shards.job import JobSummary
    from rankgen.manifests.publishing.publish import Published


class PublishOptions(PublishSettings):
    """Which run is published, where and how."""

    run: RunFolder


def run_import_rankings(settings: ImportSettings) -> Result[ImportSummary]:
    """Makes a run of rankings that others published; `rankgen import`.

    Its rows are query_id, rank, doc_id and score, which is null where there are orders alone.

    Raises:
        RankgenError: See `rankgen.generator.jobs.imports.job.import_rankings`.
    """
    from rankgen.generator.jobs.imports.job import import_rankings

    summary = import_rankings(settings)
    return Result(settings.out, summary, partial(ranked_rows, RunDirectory(settings.out), _TABLE))


def run_subsample(settings: SubsampleSettings) -> Result[JobSummary]:
    """Cuts a part out of a labelled set, without labelling again.

    Its rows are query_id, rank, doc_id and score, which is null where there are orders alone.

    Raises:
        RankgenError: See `rankgen.generator.jobs.subsample.job.subsample`.
    """
    from rankgen.generator.jobs.subsample.job import subsample

    summary, _ = subsample(settings)
    return Result(settings.out, summary, partial(ranked_rows, RunDirectory(settings.out), _TABLE))


def run_mix(settings: MixSettings) -> Result[Mixed]:
    """Makes one labelled set out of several teachers' rankings.

    Its rows are query_id, rank, doc_id and score, which is null unless scores were mixed.

    Raises:
        RankgenError: See `rankgen.generator.jobs.mix.job.mix`.
    """
    from rankgen.generator.jobs.mix.job import mix

    mixed = mix(settings)
    return Result(settings.out, mixed, partial(ranked_rows, RunDirectory(settings.out), _TABLE))


def run_export(settings: ExportSettings) -> ExportSummary:
    """Writes a run as a file that other tools train on, and tells what was left out.

    Raises:
        RankgenError: See `rankgen.generator.jobs.export.job.export`.
    """
    from rankgen.generator.jobs.export.job import export

    return export(settings)


def run_publish(options: PublishOptions) -> Published:
    """Makes a data set of a run for others; with `dry_run`, tells what it would be.

    Raises:
        RankgenError: See `rankgen.manifests.publishing.publish.Publication`.
    """
    from rankgen.manifests.publishing.publish import Publication

    publication = Publication(RunDirectory(options.run), options)
    return publication.planned() if options.dry_run else publication.publish()


_TABLE = "rankings"
import_rankings = step(ImportSettings, run_import_rankings)
subsample = step(SubsampleSettings, run_subsample)
mix = step(MixSettings, run_mix)
export = step(ExportSettings, run_export)
publish = step(PublishOptions, run_publish)
