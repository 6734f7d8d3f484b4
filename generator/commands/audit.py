"""`rankgen audit`: how far a teacher follows the order in which it is given the lists."""

from __future__ import annotations

from typing import Annotated

from pydantic import PositiveInt

from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say
from rankgen.generator.jobs.settings import ClusterSettings
from rankgen.manifests.counted import counted
from rankgen.manifests.options import RUN_METAVAR, Option
from rankgen.manifests.storage.run_path import RunPath


class AuditSettings(ClusterSettings):
    """Which run, and how many of its queries."""

    run: Annotated[RunPath, Option("Folder of a label run.", metavar=RUN_METAVAR, is_argument=True)]
    queries: Annotated[
        PositiveInt, Option("Queries to label again, three times each; a sample by their ids.")
    ] = 20
    dry_run: Annotated[bool, Option("Print the calls and tokens that it would cost only.")] = False


def audit(settings: AuditSettings, printing: Printing) -> None:
    """Labels a sample again in other orders, and prints what changed."""
    from rankgen.generator.jobs.label.audit import audit as run_audit
    from rankgen.generator.jobs.label.audit import audit_cost
    from rankgen.generator.shards.cluster import kept_session
    from rankgen.manifests.run.run_directory import RunDirectory

    run = RunDirectory(settings.run)
    if settings.dry_run:
        cost = audit_cost(run, settings.queries)
        text = (
            f"{counted(cost.queries, 'query')} three times: {counted(cost.calls, 'call')}, "
            f"{cost.prompt_tokens:,} prompt and {cost.output_tokens:,} output tokens, as before"
        )
        say(text, cost._asdict(), printing)
        return
    with kept_session():  # One start of Ray for the three labellings.
        found = run_audit(run, settings.queries, settings.ray_address)
    say(found.text(), found.model_dump(mode="json"), printing)
