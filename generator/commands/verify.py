"""`rankgen verify`: checks a run against its ledger, or a published one against its checksums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import PositiveInt

from rankgen.generator.commands.options import Printing, RunFolder
from rankgen.generator.commands.reporting import say
from rankgen.generator.jobs.kinds import KINDS
from rankgen.generator.jobs.settings import ClusterSettings
from rankgen.manifests.counted import counted
from rankgen.manifests.errors import UsageError
from rankgen.manifests.options import Option

if TYPE_CHECKING:
    from rankgen.manifests.run.run_directory import RunDirectory
    from rankgen.manifests.run.verify import Verification


class VerifySettings(ClusterSettings):
    """Which run, and how deeply it is checked."""

    run: RunFolder
    full: Annotated[bool, Option("Also re-read and check every row.")] = False
    relabel: Annotated[
        PositiveInt | None,
        Option("Also have the teacher label this many queries again.", "none"),
    ] = None


def verify(settings: VerifySettings, printing: Printing) -> None:
    """Checks a run against its ledger."""
    from rankgen.manifests.publishing.check import is_published
    from rankgen.manifests.run.plan import read_plan
    from rankgen.manifests.run.run_directory import RunDirectory
    from rankgen.manifests.run.verify import verify_run

    directory = RunDirectory(settings.run)
    if is_published(directory):
        _verify_published(directory, settings, printing)
        return
    kind = KINDS[read_plan(directory).kind]
    found = verify_run(directory, kind.validate() if settings.full else None)
    text = _told(settings.run, found)
    values: dict[str, object] = {
        "shards": found.shards,
        "planned_shards": found.plan.shards,
        "queries": found.queries,
        "planned_queries": found.plan.queries,
        "quarantined": found.quarantined,
        "finished": found.is_finished,
        "problems": list(found.problems),
    }
    if settings.relabel is not None and not found.problems:
        from rankgen.generator.jobs.label.relabel import relabel as label_again

        agreement = label_again(directory, settings.relabel, settings.ray_address)
        values["relabel"] = agreement.model_dump()
        text += (
            f"\nlabelled {counted(agreement.queries, 'query')} again: {agreement.flip_rate:.1%} "
            f"changed, "
            f"Kendall tau {agreement.kendall_tau:.4f}, "
            f"top-10 overlap {agreement.top10_overlap:.1%} -> {agreement.kept}"
        )
    say(text, values, printing)
    if found.problems:
        raise typer.Exit(5)
    if not found.is_finished:
        raise typer.Exit(4)


def _told(run: str, found: Verification) -> str:
    shards = f"{found.shards} of {counted(found.plan.shards, 'shard')}"
    lines = [
        f"{run}: {shards}, {found.queries:,} of {counted(found.plan.queries, 'query')}, "
        f"{len(found.quarantined)} quarantined, {counted(len(found.problems), 'problem')}",
        *found.problems,
    ]
    if not found.is_finished:
        lines.append("not finished: repeat the run's command to resume")
    return "\n".join(lines)


def _verify_published(
    directory: RunDirectory, settings: VerifySettings, printing: Printing
) -> None:
    from rankgen.manifests.publishing.check import check_published

    if settings.relabel is not None:
        raise UsageError(
            f"{settings.run} is a published data set, which has no teacher to label again with",
            "omit --relabel, or name the run that it was made from",
        )
    found = check_published(directory, reads_rows=settings.full)
    lines = [
        f"{settings.run}: published, {counted(found.files, 'file')}, "
        f"{counted(len(found.problems), 'problem')}"
    ]
    values: dict[str, object] = {"files": found.files, "problems": list(found.problems)}
    say("\n".join([*lines, *found.problems]), values, printing)
    if found.problems:
        raise typer.Exit(5)
