"""`rankgen quickstart`: the whole pipeline on this machine, without any download."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

from rankgen.generator.commands.run import run_recipe
from rankgen.manifests.options import Option, Settings


class QuickstartSettings(Settings):
    """Where the quickstart works."""

    out: Annotated[
        Path, Option("Folder of all steps; repeat the command to resume.", metavar="FOLDER")
    ] = Path("quickstart-run")


def quickstart(settings: QuickstartSettings) -> None:
    """Runs the shipped recipe, and says whether more training should help."""
    from rankgen.generator.doctor.before_work import has_idle_gpus, refuse_small_machine
    from rankgen.students.training.student_folder import finished_summary

    out = settings.out
    refuse_small_machine(str(out))
    # Made for two CPU cores: a GPU that this torch cannot use is no reason to stop.
    run_recipe("quickstart", ["student.device=cpu"] if has_idle_gpus() else [], out)
    student = finished_summary(out / "student")
    if student is not None and student.best_step == student.steps:
        print(
            f"The student's validation was best at its last step ({student.steps}, after "
            f"{student.seconds:,.0f} s): more training should help. Try\n"
            f"  rankgen run quickstart --set student.max_steps={4 * student.steps} "
            f"--set student.max_minutes={math.ceil(4 * student.seconds / 60)} --out longer"
        )
