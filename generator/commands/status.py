"""`rankgen status`: how far a run is."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from rankgen.generator.commands.options import AsJson, Run
from rankgen.generator.commands.reporting import reported, say

if TYPE_CHECKING:
    from rankgen.manifests.status import RunStatus

WATCH_SECONDS = 5.0
# A living driver writes an event every half minute.
ALIVE_SECONDS = 90.0


@reported
def status(
    run: Run,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every few seconds until it is finished.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show how far a run is, from its own commits."""
    from rankgen.manifests.run_directory import RunDirectory
    from rankgen.manifests.status import run_status

    found = run_status(RunDirectory(run))
    while watch and not found.finished:
        if sys.stdout.isatty():
            typer.echo("\033[H\033[2J", nl=False)
        say(_text(run, found), asdict(found), as_json=as_json)
        time.sleep(WATCH_SECONDS)
        found = run_status(RunDirectory(run))
    say(_text(run, found), asdict(found), as_json=as_json)


def _text(run: str, found: RunStatus) -> str:
    state = "unfinished; repeat its command to resume"
    if found.finished:
        state = "finished"
    elif found.seconds_silent is not None and found.seconds_silent < ALIVE_SECONDS:
        state = "running"
    lines = [
        f"{found.kind} {run}: {state}",
        f"shards   {found.committed:,} of {found.shards:,}",
        f"queries  {found.published:,} of {found.queries:,}, {len(found.quarantined)} quarantined",
    ]
    if found.seconds_silent is not None and not found.finished:
        lines.append(f"heard    {found.seconds_silent:.0f} seconds ago")
    if found.queries_per_second and not found.finished and found.seconds_left is not None:
        rate, left = found.queries_per_second, found.seconds_left
        lines.append(f"rate     {rate:.2f} queries/s, about {_duration(left)} left")
    lines += [f"{name:<32}{value:>14,}" for name, value in found.counts.items()]
    lines += [f"quarantined {query}: {why}" for query, why in sorted(found.quarantined.items())]
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
