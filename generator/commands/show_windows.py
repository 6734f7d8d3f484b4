"""The calls that led to a query's order, one after the other, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rankgen.generator.commands.show_lists import heading
from rankgen.generator.commands.show_text import move_text, passage_text, printable
from rankgen.manifests.counted import counted

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from rankgen.students.pages.query_view import QueryView
    from rankgen.students.pages.steps import Step

# An answer longer than this is cut; `--json` has all of it.
_MOST_ANSWER = 4_000


def windows_view(view: QueryView) -> RenderableType:
    """Returns every call: what the teacher was shown, what it said, and what was made of it."""
    from rich.console import Group
    from rich.text import Text

    (run,) = view["runs"]
    assert run is not None  # There is one run, and it has the query.
    parts: list[RenderableType] = [heading(view, run)]
    if not run["steps"]:
        parts.append(Text("\nthe run does not say which windows led to its rankings", style="dim"))
    for number, step in enumerate(run["steps"], start=1):
        parts += [Text(), _title(step, number, len(run["steps"])), *_body(view, step)]
    return Group(*parts)


def _title(step: Step, number: int, calls: int) -> Text:
    from rich.text import Text

    is_ok = step["outcome"] == "ok"
    shown = Text(f"call {number} of {calls}: ranks {step['start'] + 1} to {step['end']}", "bold")
    shown.append(f" · {step['outcome']}", style="cyan" if is_ok else "yellow")
    return shown.append(" · ".join(["", *_facts(step)]), style="dim not bold")


def _facts(step: Step) -> Iterator[str]:
    if step["pass_index"]:
        yield f"pass {step['pass_index'] + 1}"
    if (step["attempt"] or 1) > 1:
        yield f"attempt {step['attempt']}"
    if step["prompt_tokens"] or step["output_tokens"]:
        yield f"{step['prompt_tokens']:,} + {counted(step['output_tokens'], 'token')}"
    if step["cut"]:
        yield counted(step["cut"], "text") + " cut to fit"
    for count, what in (
        (step["duplicates"], "named twice"),
        (step["missing"], "left out"),
        (step["out_of_range"], "that no passage has"),
    ):
        if count:
            yield f"{count:,} {what}"


def _body(view: QueryView, step: Step) -> Iterator[RenderableType]:
    from rich.padding import Padding
    from rich.text import Text

    if step["reason"] is not None:
        yield Text(f"not used: {printable(step['reason'])}", style="yellow")
    yield _orders(view, step)
    if step["output_text"] is not None:
        yield Text("the answer itself:", style="dim")
        yield Padding(Text(_answer(step["output_text"])), (0, 0, 0, 4))


def _orders(view: QueryView, step: Step) -> Table:
    """Returns what was shown beside what was made of the answer."""
    from rich.table import Table

    answer, places = step["answer"], {document: n for n, document in enumerate(step["shown"])}
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, expand=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("the teacher saw", ratio=1, no_wrap=True, overflow="ellipsis")
    if answer is not None:
        table.add_column("", justify="right", no_wrap=True)
        table.add_column("moved", justify="right", no_wrap=True)
        table.add_column("it said", ratio=1, no_wrap=True, overflow="ellipsis")
    for number, document in enumerate(step["shown"]):
        row: list[str | Text] = [f"[{number + 1}]", passage_text(view["documents"][document])]
        if answer is not None:
            put = answer[number]
            said = passage_text(view["documents"][put])
            if number >= step["named"]:
                said.append("  (left out)", style="yellow")
            row += [f"[{places[put] + 1}]", move_text(places[put] - number), said]
        table.add_row(*(_plain(cell) for cell in row))
    return table


def _plain(cell: str | Text) -> Text:
    """Returns a cell as text: "[1]" would be read as a style."""
    from rich.text import Text

    return Text(cell) if isinstance(cell, str) else cell


def _answer(text: str) -> str:
    lines = (printable(line, _MOST_ANSWER) for line in text[:_MOST_ANSWER].splitlines())
    return "\n".join(lines) + ("\n…" if len(text) > _MOST_ANSWER else "")
