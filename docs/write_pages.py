"""Writes `commands.md` and `help/` beside this file from the settings; see `make docs`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from rankgen.generator.commands.from_models import flags_of, metavar_of, settings_of
from rankgen.generator.commands.registry import COMMANDS, function_of
from rankgen.manifests.options import Told, options_of, plain_type, range_of

# As wide as a page, whatever terminal this runs in.
WIDTH = "100"
_OPENING = """# The commands

Every setting has one name: `--max-steps` on the command line is `max_steps` in a recipe and in
Python. This page is made from the settings themselves (`make docs`).
"""


def pages() -> dict[str, str]:
    """Returns path below `docs` -> text."""
    commands = [_OPENING, *(section(name) for name in COMMANDS)]
    return {"commands.md": "\n".join(commands), **{f"help/{n}.txt": help_text(n) for n in COMMANDS}}


def section(name: str) -> str:
    """Returns what the page says of one command."""
    entry = COMMANDS[name]
    lines = [f"## rankgen {name}", "", entry.about]
    if entry.is_step:
        lines[-1] += f' A recipe has it as a step with `command = "{name}"`.'
    told = [each for model in settings_of(function_of(name)).values() for each in options_of(model)]
    panels = sorted({each.panel or "" for each in told})
    for panel in panels:
        lines += ["", f"**{panel or 'Options'}**", "", "| option | accepts | default | |"]
        lines.append("|---|---|---|---|")
        rows = (" | ".join(_cells(each)) for each in told if (each.panel or "") == panel)
        lines += [f"| {row} |" for row in rows]
    return "\n".join([*lines, ""])


def help_text(name: str) -> str:
    """Returns what `rankgen NAME --help` prints on a page of fixed width."""
    from typer.testing import CliRunner

    from rankgen.generator.cli import app

    plain = {"COLUMNS": WIDTH, "TERMINAL_WIDTH": WIDTH, "NO_COLOR": "1", "TERM": "dumb"}
    shown = CliRunner().invoke(app, [name, "--help"], env=plain)
    return "\n".join(line.rstrip() for line in shown.stdout.strip().splitlines()) + "\n"


def _cells(told: Told) -> Iterator[str]:
    setting, field, option, _ = told
    names = (setting.upper(),) if option.is_argument else flags_of(setting, option)
    yield ", ".join(f"`{name}`" for name in names)
    kind = plain_type(field.annotation)
    accepts = metavar_of(field, option) or getattr(kind, "__name__", str(kind))
    yield f"{accepts} {range_of(field)}".strip().replace("|", "\\|")
    default = field.get_default(call_default_factory=True, validated_data={})
    told = default if option.shown is None else option.shown
    yield "required" if field.is_required() else "" if told in (None, (), {}) else f"{told}"
    yield option.help.replace("|", "\\|")


def _held(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def main() -> None:
    """Writes the pages; with --check only says which are out of date."""
    folder, wanted = Path(__file__).parent, pages()
    old = [path for path, text in wanted.items() if _held(folder / path) != text]
    if "--check" in sys.argv:
        if old:
            sys.exit(f"out of date: {', '.join(old)} in docs; run `make docs`")
        return
    for path in old:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(wanted[path], encoding="utf-8")


if __name__ == "__main__":
    main()
