"""`rankgen status`: how far a run is, once or again and again."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from rankgen.generator.commands.options import AsJson, Run
from rankgen.generator.commands.reporting import INTERRUPTED, reported, say

if TYPE_CHECKING:
    from rankgen.manifests.run.run_directory import RunDirectory
    from rankgen.manifests.run.status import RunStatus

WATCH_SECONDS = 5.0
# Reading a run of very many shards takes a while; most of the time is left to others.
_SHARE = 4


@reported
def status(
    run: Run,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Show the run and each of its workers again every 5 seconds until it is finished: "
            "a table on a terminal, elsewhere one JSON document a line.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show how far a run is and who works on it; works on any machine that sees its folder."""
    from rankgen.generator.commands.status_view import status_text, status_values
    from rankgen.manifests.run.run_directory import RunDirectory
    from rankgen.manifests.run.status import run_status

    directory = RunDirectory(run)
    try:
        if watch and (as_json or not sys.stdout.isatty()):
            _in_lines(directory)
            return
        found = _on_terminal(run, directory) if watch else run_status(directory)
    except KeyboardInterrupt:
        # The usual end of watching: the run goes on, and there is nothing to resume.
        raise typer.Exit(INTERRUPTED) from None
    say(status_text(run, found), status_values(found), as_json=as_json)


def _in_lines(run: RunDirectory) -> None:
    """Prints the status as a line of JSON, again and again until the run is finished."""
    from rankgen.generator.commands.status_view import status_values

    found = None
    while found is None or not found.finished:
        found, pause = _looked(run)
        print(json.dumps(status_values(found)), flush=True)
        if not found.finished:
            time.sleep(pause)


def _on_terminal(named: str, run: RunDirectory) -> RunStatus:
    """Shows the status until the run is finished, and returns the last one."""
    from rich.console import Console
    from rich.live import Live

    from rankgen.generator.commands.status_view import live_view

    console = Console()
    found, pause = _looked(run)
    with Live(console=console, auto_refresh=False) as live:
        while not found.finished:
            live.update(live_view(named, found, console.height), refresh=True)
            time.sleep(pause)
            found, pause = _looked(run)
        live.update("", refresh=True)
    return found


def _looked(run: RunDirectory) -> tuple[RunStatus, float]:
    """Returns the status and how many seconds to wait before the next look."""
    from rankgen.manifests.run.status import run_status

    began = time.monotonic()
    found = run_status(run)
    return found, max(WATCH_SECONDS, _SHARE * (time.monotonic() - began))
