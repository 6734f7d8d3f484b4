"""How far and how fast a student is moved: the part of the training's settings for its steps."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from rankgen.manifests.options import Option, Settings
from rankgen.students.choices import Schedule


class OptimizerSettings(Settings):
    """AdamW and its schedule."""

    panel = "Optimizer"
    learning_rate: Annotated[
        PositiveFloat, Option("Learning rate of AdamW, after the warm-up.")
    ] = 1e-5
    head_learning_rate: Annotated[
        PositiveFloat | None, Option("Learning rate of a new head.", "--learning-rate")
    ] = None
    weight_decay: Annotated[NonNegativeFloat, Option("Weight decay of AdamW.")] = 0.01
    adam_beta2: Annotated[
        float,
        Field(gt=0, lt=1),
        Option("Memory of AdamW's second moment; short trainings with a high rate want less."),
    ] = 0.999
    schedule: Annotated[
        Schedule, Option("Learning rate over the steps; linear decays to zero.")
    ] = "constant"
    warmup_steps: Annotated[
        NonNegativeInt, Option("Steps over which the learning rate rises from zero.")
    ] = 0
    gradient_clip: Annotated[
        PositiveFloat | None, Option("Largest norm of the gradient.", "not clipped")
    ] = None
    queries_per_step: Annotated[PositiveInt, Option("Lists in one optimizer step.")] = 32


class LengthSettings(Settings):
    """How long a training takes.

    `max_minutes` counts steps and validations over all sessions. The step in which they are spent
    is finished, and a last validation follows; warm-up and decay follow the share of steps or
    minutes that is spent, whichever is larger. How many steps are taken then depends on the
    machine, so that a repeated or resumed training gives another student.
    """

    epochs: Annotated[PositiveFloat, Option("Passes over the lists.")] = 3.0
    max_steps: Annotated[
        PositiveInt | None, Option("Optimizer steps, instead of --epochs.", "by epochs")
    ] = None
    max_minutes: Annotated[
        PositiveFloat | None,
        Option("End earlier when this many minutes are spent, validations included.", "no limit"),
    ] = None
