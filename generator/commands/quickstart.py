"""`rankgen quickstart`: the whole pipeline on this machine, without any download."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rankgen.generator.commands.reporting import reported
from rankgen.generator.commands.run import run_recipe


@reported
def quickstart(
    out: Annotated[Path, typer.Option(help="Folder of all steps; repeat to resume.")] = Path(
        "quickstart-run"
    ),
) -> None:
    """Retrieve, label, train and evaluate on Python's own documentation, in some minutes."""
    run_recipe("quickstart", [], out)
