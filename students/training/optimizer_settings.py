"""How far and how fast a student is moved: the part of the training's settings for its steps."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt

from rankgen.manifests.options import Option, Settings
from rankgen.students.choices import Schedule

_OPTIMIZER = "Optimizer"


class OptimizerSettings(Settings):
    """AdamW and the length of the training.

    `max_minutes` counts steps and validations over all sessions. The step in which they are spent
    is finished, and a last validation follows; warm-up and decay follow the share of steps or
    minutes that is spent, whichever is larger. How many steps are taken then depends on the
    machine, so that a repeated or resumed training gives another student.
    """

    learning_rate: Annotated[
        float, Field(gt=0), Option("Learning rate of AdamW, after the warm-up.", panel=_OPTIMIZER)
    ] = 1e-5
    head_learning_rate: Annotated[
        float | None,
        Field(gt=0),
        Option("Learning rate of a new head.", shown="--learning-rate", panel=_OPTIMIZER),
    ] = None
    weight_decay: Annotated[
        float, Field(ge=0), Option("Weight decay of AdamW.", panel=_OPTIMIZER)
    ] = 0.01
    adam_beta2: Annotated[
        float,
        Field(gt=0, lt=1),
        Option(
            "Memory of AdamW's second moment; short trainings with a high rate want less.",
            panel=_OPTIMIZER,
        ),
    ] = 0.999
    schedule: Annotated[
        Schedule,
        Option("Learning rate over the steps; linear decays to zero.", panel=_OPTIMIZER),
    ] = "constant"
    warmup_steps: Annotated[
        int,
        Field(ge=0),
        Option("Steps over which the learning rate rises from zero.", panel=_OPTIMIZER),
    ] = 0
    gradient_clip: Annotated[
        float | None,
        Field(gt=0),
        Option("Largest norm of the gradient.", shown="not clipped", panel=_OPTIMIZER),
    ] = None
    queries_per_step: Annotated[
        PositiveInt, Option("Lists in one optimizer step.", panel=_OPTIMIZER)
    ] = 32
    epochs: Annotated[float, Field(gt=0), Option("Passes over the lists.")] = 3.0
    max_steps: Annotated[
        PositiveInt | None, Option("Optimizer steps, instead of --epochs.", shown="by epochs")
    ] = None
    max_minutes: Annotated[
        float | None,
        Field(gt=0),
        Option(
            "End earlier when this many minutes are spent, validations included.", shown="no limit"
        ),
    ] = None
