"""Runs trials on Ray and ends the worse ones early: ASHA (arXiv 1810.05934), by Ray Tune."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rankgen.generator.shards.cluster import ray_session, total_gpus
from rankgen.generator.shards.driver_variables import driver_variables
from rankgen.generator.shards.ray_tune import quieten, ray_tune, told_of_ends
from rankgen.generator.shards.team import RESTARTS, shares
from rankgen.manifests.errors import last_line

STEP, VALUE = "step", "value"
# An object of Ray Tune, whose types admit no trial but its own, and no half steps.
Scheduler = Any
# Takes a step and the value there.
Report = Callable[[int, float], None]


class Reached(NamedTuple):
    """What a trial reached at a step; higher is better."""

    trial: int
    step: int
    value: float


@dataclass(frozen=True)
class Halving:
    """When trials are compared, and how many of them go on.

    Attributes:
        grace: Steps of the first comparison.
        steps: Steps of a trial that is never stopped.
        reduction: One in so many goes on, and the next comparison is after so many times the steps.
    """

    grace: int
    steps: int
    reduction: int

    @property
    def rungs(self) -> list[int]:
        """The steps of the comparisons; the last step is none, as there is nothing left to save."""
        found = []
        rung = self.grace
        while rung < self.steps:
            found.append(rung)
            rung *= self.reduction
        return found

    @property
    def expected_share(self) -> float:
        """The share of all steps that trials take if exactly one in `reduction` goes on."""
        ends = [*self.rungs, self.steps]
        lengths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
        left = (length / math.pow(self.reduction, place) for place, length in enumerate(lengths))
        return sum(left) / self.steps

    def scheduler(self, earlier: Iterable[Reached]) -> Scheduler:
        """Returns Ray Tune's scheduler, which knows what trials of earlier commands reached.

        None where trials are too short to be compared.
        """
        tune = ray_tune()
        if not self.rungs:
            return None
        made = tune.schedulers.AsyncHyperBandScheduler(
            time_attr=STEP,
            metric=VALUE,
            mode="max",
            # Half a step before the end: without it a rung could be the end itself.
            max_t=self.steps - 0.5,
            grace_period=self.grace,
            reduction_factor=self.reduction,
            stop_last_trials=False,
        )
        known: dict[int, _Known] = {}
        for one in sorted(earlier, key=lambda one: one.step):
            if one.trial not in known:
                known[one.trial] = _Known(f"earlier-{one.trial}")
                made.on_trial_add(None, known[one.trial])
            made.on_trial_result(None, known[one.trial], {STEP: one.step, VALUE: one.value})
        return made


class _Known(NamedTuple):
    """All that the scheduler asks of a trial."""

    trial_id: str


def run_halving(
    work: Callable[[int, Report], None],
    trials: Sequence[int],
    scheduler: Scheduler,
    scratch: Path,
    *,
    ended: Callable[[int], None],
    at_once: int | None,
    may_use_gpus: bool,
    ray_address: str | None = None,
) -> dict[int, str]:
    """Runs `work` for every trial, each in a process of its own; the scheduler may stop it.

    A trial whose process died is begun again, at most `RESTARTS` times.

    Args:
        work: The function; pickled. It reports values by step, and must resume what an earlier try
            did.
        trials: Their numbers, in the order in which they begin.
        scheduler: See `Halving.scheduler`.
        scratch: An absolute folder that every node shares; removed at the end.
        ended: Told the number of a trial that has ended or was stopped; pickled where the driver
            is a client of the cluster.
        at_once: Trials that run together; None means one for each GPU, or one without GPUs.
        may_use_gpus: Whether each trial uses a GPU if the cluster has any.
        ray_address: A cluster, or None for this machine.

    Returns:
        Trial -> why it failed too often.

    Raises:
        EnvironmentProblem: The cluster has too few GPUs or CPUs.
    """
    quieten()
    with ray_session(ray_address):
        gpus = total_gpus() if may_use_gpus else 0
        together = at_once or max(1, gpus)
        resources = shares(together, gpus > 0, ("trials", "--trials-at-once"))
        # A killed driver may have left files here.
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            return _failures(_tuned(work, trials, scheduler, scratch, ended, together, resources))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _tuned(
    work: Callable[[int, Report], None],
    trials: Sequence[int],
    scheduler: Scheduler,
    scratch: Path,
    ended: Callable[[int], None],
    together: int,
    resources: dict[str, float],
) -> Iterable[Any]:
    """Returns Ray Tune's results."""
    from ray import tune

    variables = driver_variables()

    def trial(config: dict[str, int]) -> None:
        variables.take_over()
        work(config["trial"], _report)

    named = {name.lower(): amount for name, amount in resources.items()}
    tuner = tune.Tuner(
        tune.with_resources(trial, named),
        param_space={"trial": tune.grid_search(list(trials))},
        tune_config=tune.TuneConfig(
            scheduler=scheduler, max_concurrent_trials=together, reuse_actors=True
        ),
        run_config=tune.RunConfig(
            name="trials",
            storage_path=str(scratch),
            failure_config=tune.FailureConfig(max_failures=RESTARTS),
            callbacks=[told_of_ends(ended)],
            verbose=0,
        ),
    )
    found: Any = tuner.fit()
    return [found[place] for place in range(len(found))]


def _report(step: int, value: float) -> None:
    from ray import tune

    tune.report({STEP: step, VALUE: value})


def _failures(results: Iterable[Any]) -> dict[int, str]:
    return {
        result.config["trial"]: last_line(result.error)
        for result in results
        if result.error is not None
    }
