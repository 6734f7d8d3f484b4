"""`rankgen show`: one query, as the first stage and as the teacher ordered it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

from pydantic import PositiveInt

from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say
from rankgen.manifests.options import SOURCE_METAVAR, Option, Settings
from rankgen.manifests.storage.run_path import RunPath

if TYPE_CHECKING:
    from rich.console import RenderableType

# What a text gets that is not printed on a terminal, unless COLUMNS says otherwise.
PLAIN_WIDTH = 120
RankingsRun = Annotated[
    RunPath,
    Option(
        "A run with rankings: of label, negatives, import, subsample, mix or rerank, also one that "
        "is half done.",
        metavar=SOURCE_METAVAR,
        is_argument=True,
    ),
]


class ShowSettings(Settings):
    """Which query of which run, and how much of it."""

    run: RankingsRun
    query: Annotated[
        str, Option("Id of a query, or words that its text alone holds.", is_argument=True)
    ]
    depth: Annotated[PositiveInt, Option("Ranks to show of each list.")] = 20
    windows: Annotated[
        bool,
        Option(
            "Step through the windows instead: what the teacher saw, what it said, and what was "
            "repaired or refused."
        ),
    ] = False


def show(settings: ShowSettings, printing: Printing) -> None:
    """Prints both orders of a query's passages, or the windows that led from one to the other."""
    from rankgen.generator.commands.show_lists import lists_view
    from rankgen.generator.commands.show_windows import windows_view
    from rankgen.students.pages.query_search import found_query
    from rankgen.students.pages.single_queries import open_single_queries, single_view

    run = open_single_queries(settings.run)
    view = single_view(run, found_query(run, settings.query))
    shown = windows_view(view) if settings.windows else lists_view(view, settings.depth)
    say("" if printing.as_json else _rendered(shown), view, printing)


def _rendered(shown: RenderableType) -> str:
    """Returns what a terminal shows, in its colours and width; elsewhere it is plain text."""
    from rich.console import Console

    if sys.stdout.isatty():
        console = Console(highlight=False)
    else:
        width = os.environ.get("COLUMNS", "")
        is_told = width.isdecimal() and int(width) > 0
        console = Console(
            highlight=False, color_system=None, width=int(width) if is_told else PLAIN_WIDTH
        )
    with console.capture() as captured:
        console.print(shown)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
