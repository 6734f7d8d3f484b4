"""`rankgen train-student`: rankings in, a Hugging Face cross-encoder out."""

from __future__ import annotations

import sys
from typing import Annotated

from pydantic import Field

from rankgen.generator.api.train_options import TrainOptions
from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say
from rankgen.manifests.counted import counted
from rankgen.manifests.options import Option, Settings


class MemoryPlanning(Settings):
    """Whether the command only says what memory a step needs."""

    dry_run: Annotated[
        bool, Option("Print the memory of a step and whether it fits, and train nothing.")
    ] = False
    gpu_gib: Annotated[
        float | None,
        Field(gt=0),
        Option("With --dry-run: memory in GiB of the GPU to plan for.", "this machine"),
    ] = None


def train_student(options: TrainOptions, planning: MemoryPlanning, printing: Printing) -> None:
    """Trains a student, says what it reached, and pushes it where it was asked to."""
    if planning.dry_run:
        from rankgen.students.training.memory_forecast import forecast_memory

        forecast = forecast_memory(options.training(), planning.gpu_gib)
        told = {**forecast.model_dump(mode="json"), "fits": forecast.fits}
        say(forecast.text(), told, printing)
        return
    from rankgen.generator.api.steps import run_train_student

    summary = run_train_student(options).summary
    was = "was trained before" if summary.was_finished else f"trained in {summary.seconds:,.0f} s"
    figures = [f"loss {summary.loss:.4f}", f"best step {summary.best_step} of {summary.steps}"]
    figures.append(f"ended by {summary.ended_by}")
    if summary.validation is not None:
        figures.append(f"validation nDCG@10 {summary.validation:.4f}")
    if summary.first_stage is not None:
        figures.append(f"its first stage {summary.first_stage:.4f}")
    text = (
        f"student {was} on {counted(summary.lists, 'list')}: {', '.join(figures)} -> {summary.out}"
    )
    say(text, summary.model_dump(mode="json"), printing)
    if options.push is not None:
        from rankgen.students.training.push import push_student

        print(f"pushed: {push_student(options.out, options.push)}", file=sys.stderr)
