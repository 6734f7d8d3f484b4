"""The trials of a search: ordinary trainings with drawn settings, and what became of each."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow.compute as pc
from pydantic import JsonValue

from rankgen.generator.api.train_in_team import anchored
from rankgen.generator.api.train_options import TrainOptions
from rankgen.generator.api.tuning.settings import TuneOptions
from rankgen.generator.api.tuning.space import Drawn, Space, draws, read_space
from rankgen.manifests.counted import counted
from rankgen.manifests.errors import (
    EnvironmentProblem,
    IntegrityProblem,
    RankgenError,
    UsageError,
)
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.atomic import write_whole
from rankgen.manifests.validation import validated
from rankgen.students.losses import parse_loss
from rankgen.students.pages.training import training_of
from rankgen.students.training.learned import with_targets
from rankgen.students.training.loop import checkpoint_path
from rankgen.students.training.schedule import check_warmup
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.student_folder import finished_summary

# A finished trial has a student, a stopped one was worse than others, the loss of a diverged one
# became NaN or infinite; these are not trained again. A failed one is.
State = Literal["finished", "stopped", "diverged", "failed", "begun", ""]
_RECORD = Path(".rankgen", "trial.json")
_FAULTS = (UsageError, EnvironmentProblem, IntegrityProblem)
ENDED: frozenset[State] = frozenset({"finished", "stopped", "diverged"})
Curve = list[tuple[int, float]]


@dataclass(frozen=True)
class Trial:
    """One training.

    Attributes:
        number: From 1.
        drawn: What was drawn for it.
        settings: All its settings; its folder is `settings.out`.
        steps: Steps that it takes if nothing ends it.
        lists: Lists that it learns from.
        passages: Passages in all of them.
    """

    number: int
    drawn: Drawn
    settings: TrainSettings
    steps: int
    lists: int
    passages: int

    @property
    def state(self) -> State:
        """What became of it so far."""
        return _state_of(self.settings.out)

    @property
    def reason(self) -> str | None:
        """Why it diverged or failed."""
        found = self._record.get("reason")
        return found if isinstance(found, str) else None

    @property
    def curve(self) -> Curve:
        """nDCG@10 of its validations by step; empty where none is recorded."""
        try:
            found = training_of(self.settings.out)
        except UsageError:
            # A kill cut a line short; the training that resumes will mend it.
            return []
        return [] if found is None else [(p["step"], p["value"]) for p in found.validation]

    @property
    def fault(self) -> RankgenError | None:
        """The error that it failed with; None where it did not fail, or its process died."""
        if self.state != "failed" or self.reason is None:
            return None
        hint, code = self._record.get("hint"), self._record.get("exit_code")
        kind = next((kind for kind in _FAULTS if kind.exit_code == code), EnvironmentProblem)
        return kind(self.reason, hint if isinstance(hint, str) else None)

    def ended(self, state: State, error: RankgenError | None = None) -> None:
        """Writes down how it ended without a student."""
        record: dict[str, JsonValue] = {
            "state": state,
            "reason": None if error is None else error.message,
        }
        if state == "failed" and error is not None:
            record |= {"hint": error.hint, "exit_code": error.exit_code}
        write_whole(self._record_path, (json.dumps(record) + "\n").encode())

    def begin_again(self) -> None:
        """Forgets that it failed."""
        self._record_path.unlink(missing_ok=True)

    @property
    def _record_path(self) -> Path:
        return self.settings.out / _RECORD

    @property
    def _record(self) -> dict[str, JsonValue]:
        return _record_in(self.settings.out)


@dataclass(frozen=True)
class Search:
    """A search.

    Attributes:
        base: What all trials share, with absolute paths and commits, in the folder of all.
        space: What is drawn for each.
        trials: In the order in which they begin.
    """

    base: TrainSettings
    space: Space
    trials: tuple[Trial, ...]


def search_of(options: TuneOptions) -> Search:
    """Draws the trials.

    Raises:
        UsageError: The space is impossible, or has fewer settings than trials; or a trial's
            settings are, as its message says.
    """
    space = read_space(options)
    drawn = list(itertools.islice(draws(space, options.search_seed), options.trials))
    if len(drawn) < options.trials:
        raise UsageError(
            f"the values of --search make {counted(len(drawn), 'different trial')}, fewer than "
            f"{options.trials}",
            f"list more values, as in --search NAME=A|B, or add --trials {len(drawn)}",
        )
    # The settings of a preset are among the options.
    given = options.part(TrainOptions, preset=None).training()
    # It has to be there, and where it is searched the usual one need not be.
    backbone = str(drawn[0].get("backbone", given.backbone))
    base = anchored(given.model_copy(update={"backbone": backbone}))
    sizes = _sizes(base.rankings)
    trials = tuple(_trial(base, number, one, sizes) for number, one in enumerate(drawn, start=1))
    return Search(base, space, trials)


def holds_trials(out: Path) -> bool:
    """Says whether a search's folder has trials that those of other settings cannot replace."""
    return any(
        _state_of(folder) in ENDED or checkpoint_path(folder).exists()
        for folder in out.glob("trial-*")
    )


def _state_of(folder: Path) -> State:
    if finished_summary(folder) is not None:
        return "finished"
    state = _record_in(folder).get("state")
    if state in ("stopped", "diverged", "failed"):
        return state  # type: ignore[return-value]  # mypy does not narrow by `in`.
    return "begun" if (folder / ".rankgen").exists() else ""


def _record_in(folder: Path) -> dict[str, JsonValue]:
    try:
        return dict(json.loads((folder / _RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _trial(base: TrainSettings, number: int, drawn: Drawn, sizes: Sequence[int]) -> Trial:
    where = f"trial {number}"
    shared = {name: getattr(base, name) for name in TrainSettings.model_fields}
    own = {**drawn, "out": base.out / f"trial-{number:03d}"}
    settings = validated(TrainSettings, {**shared, **own}, where)
    if "backbone" in drawn:
        settings = anchored(settings)
    cut = [min(size, settings.depth or size) for size in sizes]
    try:
        loss = parse_loss(settings.loss)
        # As many as the training itself counts.
        shortest = min(part.loss.shortest for part in loss)
        lists = [size for size in cut if size >= shortest]
        steps = settings.max_steps or math.ceil(
            settings.epochs * len(lists) / settings.queries_per_step
        )
        with_targets(settings, loss)
        check_warmup(settings, steps)
    except UsageError as error:
        raise UsageError(f"{where}: {error.message}", error.hint) from None
    return Trial(number, drawn, settings, steps, len(lists), sum(lists))


def _sizes(rankings: Path) -> list[int]:
    """Returns the number of passages of every list."""
    lists = RunDirectory(rankings).read("rankings", ["doc_ids"])["doc_ids"]
    sizes: list[int] = pc.list_value_length(lists).to_pylist()
    if not any(size > 1 for size in sizes):
        raise UsageError(
            f"{rankings} has no ranking of two passages or more", "name another run: --rankings"
        )
    return sizes
