"""`tune`: trainings with drawn settings, the worse ones ended early, and the best one's recipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rankgen.generator.api.tuning.result import TuneResult, recipe_toml, result_of
from rankgen.generator.api.tuning.settings import TuneOptions
from rankgen.generator.api.tuning.trials import (
    ENDED,
    Search,
    Trial,
    holds_trials,
    search_of,
)
from rankgen.generator.doctor.before_work import refuse_idle_gpus
from rankgen.generator.shards.halving import Halving, Reached, Report, run_halving
from rankgen.manifests.counted import counted
from rankgen.manifests.errors import IncompleteRun, RankgenError, UsageError
from rankgen.manifests.run.recipe_lock import check_recipe, write_recipe
from rankgen.manifests.storage.atomic import write_whole
from rankgen.students.training.loop import checkpoint_path
from rankgen.students.training.train import train_student
from rankgen.students.training.training_facts import recipe_path, training_facts

TABLE, RESULT, RECIPE = "trials.tsv", "tune.json", "best.toml"
# Trials are first compared after this part of the longest training.
_GRACE = 9


def run_tune(options: TuneOptions) -> TuneResult:
    """Trains the trials that have not ended, and writes the table and the best one's recipe.

    Raises:
        UsageError: The space or a trial's settings are impossible, or `out` holds another search.
        EnvironmentProblem: The cluster has too few GPUs or CPUs, or the backbone cannot be had.
    """
    if options.device == "auto" and options.ray_address is None:
        refuse_idle_gpus('use --device cpu (in a recipe: device = "cpu")')
    search = search_of(options)
    trials = search.trials
    _lock(options, search)
    lost = _train(options, trials)
    recipe = options.out / RECIPE
    result = result_of(trials, lost, recipe)
    if result.best is not None:
        best = trials[result.best - 1]
        out = best.settings.out.with_name("best")
        write_whole(recipe, recipe_toml(best, options.preset, out).encode())
    write_whole(options.out / TABLE, result.as_tsv().encode())
    text = json.dumps(result.as_json(), indent=2, ensure_ascii=False) + "\n"
    write_whole(options.out / RESULT, text.encode())
    return result


def halving_of(options: TuneOptions, trials: Sequence[Trial]) -> Halving:
    """Returns when the trials are compared."""
    longest = max(trial.steps for trial in trials)
    grace = options.grace_steps or -(-longest // _GRACE)
    return Halving(grace, longest, options.keep_one_in)


def _train(options: TuneOptions, trials: Sequence[Trial]) -> dict[int, str]:
    """Trains what has not ended; returns trial -> why its process failed too often."""
    left = [trial for trial in trials if trial.state not in ENDED]
    if not left:
        return {}
    for trial in left:
        trial.begin_again()
    earlier = [
        Reached(trial.number, *point)
        for trial in trials
        if trial.state in ENDED
        for point in trial.curve
    ]
    print(
        f"{len(left)} of {counted(len(trials), 'trial')} to train -> {options.out}",
        file=sys.stderr,
        flush=True,
    )
    return run_halving(
        _Training({trial.number: trial for trial in left}),
        [trial.number for trial in left],
        halving_of(options, trials).scheduler(earlier),
        (options.out / ".rankgen" / "ray").absolute(),
        ended=_Ended({trial.number: trial for trial in left}),
        at_once=options.trials_at_once,
        may_use_gpus=options.device != "cpu",
        ray_address=options.ray_address,
    )


@dataclass(frozen=True)
class _Training:
    """Trains a trial where Ray runs it; what the trial was told before a kill is told again."""

    trials: Mapping[int, Trial]

    def __call__(self, number: int, report: Report) -> None:
        trial = self.trials[number]
        told = 0

        def tell() -> None:
            nonlocal told
            for step, value in trial.curve[told:]:
                told += 1
                report(step, value)

        try:
            train_student(trial.settings, tell)
        except IncompleteRun as error:
            # Such is the result of its settings, such as a learning rate that is too high.
            trial.ended("diverged", error)
        except RankgenError as error:
            trial.ended("failed", error)
        tell()


@dataclass(frozen=True)
class _Ended:
    """Writes down that a trial was stopped, unless it ended by itself."""

    trials: Mapping[int, Trial]

    def __call__(self, number: int) -> None:
        trial = self.trials[number]
        if trial.state in ("begun", ""):
            trial.ended("stopped")
            checkpoint_path(trial.settings.out).unlink(missing_ok=True)
        curve = trial.curve
        reached = f", nDCG@10 {curve[-1][1]:.4f} at step {curve[-1][0]}" if curve else ""
        why = f": {trial.reason}" if trial.reason else ""
        print(f"trial {number} {trial.state}{reached}{why}", file=sys.stderr, flush=True)


def _lock(options: TuneOptions, search: Search) -> None:
    """Refuses a folder of something else, or of a search among other trials.

    Their number may grow from one command to the next.
    """
    path = recipe_path(options.out)
    of_all = training_facts(search.base)
    space = {name: asdict(one) for name, one in search.space.items()}
    facts: dict[str, object] = {
        **{name: fact for name, fact in of_all.items() if name not in search.space},
        # As JSON gives it back.
        "search": json.loads(json.dumps(space)),
        "search_seed": options.search_seed,
        "grace_steps": options.grace_steps,
        "keep_one_in": options.keep_one_in,
    }
    if not path.exists():
        _refuse_foreign(options.out)
    elif holds_trials(options.out):
        check_recipe(path, facts)
        return
    write_recipe(path, facts)


def _refuse_foreign(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            f"{out} exists, is not empty and is not a search", "name a new folder: --out"
        )
