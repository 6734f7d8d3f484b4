"""`rankgen status`: how far a run is, once or again and again."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from rankgen.generator.commands.options import Printing, RunFolder
from rankgen.generator.commands.reporting import INTERRUPTED, say
from rankgen.manifests.options import Option, Settings

if TYPE_CHECKING:
    from rankgen.manifests.run.run_directory import RunDirectory
    from rankgen.manifests.run.status import RunStatus

WATCH_SECONDS = 5.0
# Reading a run of very many shards takes a while; most of the time is left to others.
_SHARE = 4


class StatusSettings(Settings):
    """Which run, and how long it is watched."""

    run: RunFolder
    watch: Annotated[
        bool,
        Option(
            "Show the run and each of its workers again every 5 seconds until it is finished: a "
            "table on a terminal, elsewhere one JSON document a line."
        ),
    ] = False


def status(settings: StatusSettings, printing: Printing) -> None:
    """Prints how far the run is, once or again and again."""
    from rankgen.generator.commands.status_view import status_text, status_values
    from rankgen.manifests.run.run_directory import RunDirectory
    from rankgen.manifests.run.status import run_status

    directory = RunDirectory(settings.run)
    try:
        if settings.watch and (printing.as_json or not sys.stdout.isatty()):
            _in_lines(directory)
            return
        found = _on_terminal(settings.run, directory) if settings.watch else run_status(directory)
    except KeyboardInterrupt:
        # The usual end of watching: the run goes on, and there is nothing to resume.
        raise typer.Exit(INTERRUPTED) from None
    say(status_text(settings.run, found), status_values(found), printing)


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
