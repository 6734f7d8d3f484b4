"""The learning rate is the one transformers would use, by steps or by time."""

from __future__ import annotations

import pytest
import torch
from toy_training import settings_of
from transformers import get_constant_schedule_with_warmup, get_linear_schedule_with_warmup

from rankgen.manifests.errors import UsageError
from rankgen.students.training.schedule import place_of, rate_factor
from rankgen.students.training.train import train_student


@pytest.mark.parametrize("schedule", ["constant", "linear"])
@pytest.mark.parametrize(
    ("steps", "warmup"), [(1, 0), (2, 1), (5, 0), (6, 3), (10, 9), (40, 7), (400, 30), (401, 400)]
)
def test_it_is_that_of_transformers(
    recipe: dict[str, object], schedule: str, steps: int, warmup: int
) -> None:
    optimizer = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = (
        get_linear_schedule_with_warmup(optimizer, warmup, steps)
        if schedule == "linear"
        else get_constant_schedule_with_warmup(optimizer, warmup)
    )
    settings = settings_of(recipe, schedule=schedule, warmup_steps=warmup)
    for step in range(steps):
        assert rate_factor(step, steps, settings) == theirs.get_last_lr()[0], step
        optimizer.step()
        theirs.step()
    assert max(rate_factor(step, steps, settings) for step in range(steps)) == 1.0


def test_time_moves_it_on_where_steps_are_slow(recipe: dict[str, object]) -> None:
    settings = settings_of(recipe, schedule="linear", warmup_steps=10)
    # A machine that takes 8 of 100 steps in its time.
    places = [place_of(step, 100, step / 8) for step in range(9)]
    rates = [rate_factor(place, 100, settings) for place in places]
    assert places == [0, 12.5, 25, 37.5, 50, 62.5, 75, 87.5, 100]
    assert rates[0] == 0
    assert rates[1] == pytest.approx(87.5 / 90)
    assert rates[8] == 0
    # One that is fast enough follows its steps.
    assert place_of(60, 100, 0.4) == 60


@pytest.mark.parametrize("warmup", [3, 10])
def test_a_warm_up_without_an_end_is_refused(recipe: dict[str, object], warmup: int) -> None:
    with pytest.raises(
        UsageError, match=f"warmup_steps is {warmup} but the training has 3 steps"
    ) as error:
        train_student(settings_of(recipe, max_steps=3, warmup_steps=warmup))
    assert "--warmup-steps N" in str(error.value.hint)
    # Twelve lists, four a step: three steps an epoch.
    with pytest.raises(UsageError, match="has 3 steps"):
        train_student(settings_of(recipe, epochs=1.0, warmup_steps=warmup))
    assert train_student(settings_of(recipe, max_steps=3, warmup_steps=2)).steps == 3
