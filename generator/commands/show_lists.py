"""A query's two orders side by side, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rankgen.generator.commands.show_text import (
    move_text,
    passage_text,
    printable,
    score_text,
)
from rankgen.manifests.counted import counted

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from rankgen.students.pages.query_view import QueryView, RunView


def lists_view(view: QueryView, depth: int) -> RenderableType:
    """Returns the first `depth` ranks of both orders, with how far each passage moved."""
    from rich.console import Group
    from rich.text import Text

    (run,) = view["runs"]
    assert run is not None  # There is one run, and it has the query.
    parts: list[RenderableType] = [heading(view, run), Text()]
    if run["before"] or run["after"]:
        parts.append(_lists(view, run, depth))
    longest = max(len(run["before"]), len(run["after"]))
    if longest > depth:
        parts.append(Text(f"{longest - depth:,} more ranks: --depth {longest}", style="dim"))
    if not run["after"] and run["steps"]:
        parts.append(Text("its calls: --windows", style="dim"))
    return Group(*parts)


def heading(view: QueryView, run: RunView) -> Text:
    """Returns the query, and what the run says of it as a whole."""
    from rich.text import Text

    text = view["text"]
    shown = Text.assemble(
        (printable(view["query_id"]), "bold"),
        "  ",
        (printable(text), "") if text else ("(the run has no text of it)", "dim"),
    )
    shown.append("\n" + " · ".join(_facts(run)), style="dim")
    if run["reason"] is not None:
        shown.append(f"\nquarantined: {printable(run['reason'])}", style="bold red")
    if not any(passage["text"] for passage in view["documents"]) and view["documents"]:
        shown.append("\nthe run has no texts of its passages", style="dim")
    return shown


def _facts(run: RunView) -> Iterator[str]:
    yield f"{printable(run['teacher'])}: {run['status']}"
    answered = sum(step["after"] is not None for step in run["steps"])
    failed = len(run["steps"]) - answered
    if answered:
        repaired = run["repaired_windows"]
        yield counted(answered, "window") + (f", {repaired:,} repaired" if repaired else "")
    if failed:
        yield counted(failed, "failed call")
    if run["prompt_tokens"] or run["output_tokens"]:
        yield f"{run['prompt_tokens']:,} + {counted(run['output_tokens'], 'token')}"
    if run["after"] and not run["before"]:
        yield "its first stage is not known"
    if (movement := run["movement"]) is not None:
        yield f"tau {movement['tau']:.3f}, RBO {movement['rbo']:.3f}"
        yield f"{movement['top']:.0%} of the top 10 kept"
        rise, fall = movement["largest_rise"], movement["largest_fall"]
        yield f"up to {rise} ranks up and {fall} down"


def _lists(view: QueryView, run: RunView, depth: int) -> Table:
    from rich.table import Table

    before, after, scores = run["before"], run["after"], run["scores"]
    # Where a part of a list was drawn, its ranks in the first stage have gaps.
    has_gaps = run["before_ranks"] != list(range(1, len(before) + 1))
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, expand=True)
    table.add_column("rank", justify="right", no_wrap=True)
    if has_gaps:
        table.add_column("was", justify="right", no_wrap=True)
    if before:
        table.add_column(run["compared_with"], ratio=1, no_wrap=True, overflow="ellipsis")
    if before and after:
        table.add_column("moved", justify="right", no_wrap=True)
    if after:
        if scores:
            table.add_column("score", justify="right", no_wrap=True)
        table.add_column(printable(run["teacher"], 40), ratio=1, no_wrap=True, overflow="ellipsis")
    for place in range(min(depth, max(len(before), len(after)))):
        row: list[str | Text] = [str(place + 1)]
        if has_gaps:
            row.append(str(run["before_ranks"][place]) if place < len(before) else "")
        if before:
            held = place < len(before)
            row.append(passage_text(view["documents"][before[place]]) if held else "")
        if place < len(after):
            row += [move_text(run["rises"][place])] if before else []
            row += [score_text(scores[place])] if scores else []
            row.append(passage_text(view["documents"][after[place]]))
        table.add_row(*row)
    return table
