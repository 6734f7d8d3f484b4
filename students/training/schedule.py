"""Learning rate schedules as in transformers, by steps or by time."""

from __future__ import annotations

from rankgen.manifests.errors import UsageError
from rankgen.students.training.settings import TrainSettings


def rate_factor(place: float, total_steps: int, settings: TrainSettings) -> float:
    """Returns the share of the learning rate that a step uses, from 0 to 1.

    As in transformers (`get_linear_schedule_with_warmup`, `get_constant_schedule_with_warmup`), the
    first of `warmup_steps` steps has rate 0, step number `warmup_steps` is the first with the full
    rate, and linear decay would reach 0 at step number `total_steps`, the one after the last.

    Args:
        place: The step's number, from 0; a fraction where time decides (see `place_of`).
        total_steps: Number of steps of the whole training.
        settings: The recipe.
    """
    warmup = settings.warmup_steps
    if place < warmup:
        return place / warmup
    if settings.schedule == "constant":
        return 1.0
    return max(0.0, (total_steps - place) / max(1, total_steps - warmup))


def place_of(step: int, total_steps: int, spent: float) -> float:
    """Returns a training's place in its schedule, in steps: the later of those by step and by time.

    `spent` is the share of the training's time limit that is spent; 0 without a limit.
    """
    return max(float(step), spent * total_steps)


def check_warmup(settings: TrainSettings, total_steps: int) -> None:
    """Refuses a warm-up that is not shorter than the training.

    Raises:
        UsageError: The training would never reach its learning rate.
    """
    if settings.warmup_steps >= total_steps:
        raise UsageError(
            f"warmup_steps is {settings.warmup_steps:,} but the training has {total_steps:,} "
            "steps, so it would never reach its learning rate",
            f"lower it to less than {total_steps:,} by --warmup-steps N, or raise --max-steps "
            "or --epochs",
        )
