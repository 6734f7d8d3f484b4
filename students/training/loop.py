"""The training loop: steps, validations, checkpoints and its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rankgen.manifests.errors import IncompleteRun
from rankgen.manifests.notices import warn
from rankgen.manifests.progress import Progress, progress
from rankgen.students.choices import Ending
from rankgen.students.reranking.strict_order import NotFinite
from rankgen.students.training.batches import StepLists
from rankgen.students.training.checkpoint import (
    TrainState,
    load_checkpoint,
    save_checkpoint,
    weights_of,
)
from rankgen.students.training.drawn import step_lists
from rankgen.students.training.lists import TrainingLists
from rankgen.students.training.metrics_log import MetricsLog, metrics_path
from rankgen.students.training.step import Trainer
from rankgen.students.training.summary import TrainSummary
from rankgen.students.training.trained_weights import put_back
from rankgen.students.training.validation import MEASURE, Validations
from rankgen.students.training.validation_sets import open_validations

# The moving average of the loss covers about this many steps.
LOSS_MEMORY = 50


def checkpoint_path(out: Path) -> Path:
    """Returns the path of an unfinished training's checkpoint."""
    return out / ".rankgen" / "checkpoint.pt"


class TrainingRun:
    """One training from its checkpoint to its last step.

    Only the first member of the trainer's team validates and writes.

    Args:
        trainer: Takes the steps.
        lists: What is learned.
        validated: Called after each validation that steps follow; None for nobody.

    Raises:
        UsageError: The validation is unusable.
        IntegrityProblem: The checkpoint is damaged.
    """

    def __init__(
        self,
        trainer: Trainer,
        lists: TrainingLists,
        validated: Callable[[], None] | None = None,
    ) -> None:
        self._trainer, self._lists, self._validated = trainer, lists, validated
        self._settings, self._encoder, self._team = trainer.settings, trainer.encoder, trainer.team
        out = trainer.settings.out
        self._checkpoint_path = checkpoint_path(out)
        self._validation = self._open_validation()
        held = load_checkpoint(self._checkpoint_path, trainer.encoder.model, trainer.optimizer)
        self._state = held or TrainState()
        # The time up to which `_state.seconds` counts, and its value at the last checkpoint.
        self._counted_until, self._saved_seconds = time.monotonic(), self._state.seconds
        # All members must have read the old checkpoint before a new one is written.
        self._team.wait()
        # Without a checkpoint the validation before the first step is repeated.
        kept_until = -1 if held is None else held.step
        self._metrics = MetricsLog(metrics_path(out), kept_until) if self._team.is_first else None

    def to_the_end(self) -> TrainSummary:
        """Takes the remaining steps and loads the best weights into the model."""
        state = self._state
        draws = step_lists(self._encoder, self._lists, self._settings)
        self._counted_until = time.monotonic()
        with progress("train student", self._trainer.total_steps, state.step) as shown:
            if state.step == 0 and self._validation is not None and self._encoder.has_trained_head:
                shown.note("validating")
                self._validate()
            ended_by = self._ending()
            while ended_by is None:
                self._one_step(draws, shown)
                ended_by = self._ending()
        self._save_checkpoint()
        if self._metrics is not None:
            self._metrics.close()
        if state.best_weights is not None:
            put_back(self._encoder.model, state.best_weights)
        return self._summary(ended_by)

    def _one_step(self, draws: StepLists, shown: Progress) -> None:
        state, began = self._state, time.monotonic()
        report = self._trainer.run(state.step, draws.of_step(state.step), self._share_spent())
        seconds = time.monotonic() - began
        state.step += 1
        state.pairs += report.pairs
        share = 1 / min(state.step, LOSS_MEMORY)
        average = report.loss if state.recent_loss is None else state.recent_loss
        state.recent_loss = average + share * (report.loss - average)
        self._count_seconds()
        pace = round(report.pairs / seconds, 2)
        rate = report.learning_rate
        self._log({"loss": report.loss, "learning_rate": rate, "pairs_per_second": pace})
        if self._ending() is not None or state.step % self._settings.validate_every == 0:
            shown.note("validating")
            self._validate()
        if self._is_checkpoint_due():
            self._save_checkpoint()
        shown.advance()
        best = state.best_measure
        text = "" if best is None else f", best nDCG@10 {best:.4f}"
        shown.note(f"loss {state.recent_loss:.4f}{text}")

    def _validate(self) -> None:
        if self._validation is None:
            self._state.best_step = self._state.step
            return
        state, hardware = self._state, self._trainer.hardware
        found = self._measured()
        measure = self._team.of_first(found[MEASURE], hardware.device)
        state.validated_step = state.step
        self._count_seconds()
        if state.best_measure is None or measure > state.best_measure:
            state.best_measure, state.best_step = measure, state.step
            state.best_weights = weights_of(self._encoder.model)
        self._log({f"validation {name}": value for name, value in found.items()})
        if self._validated is not None and self._ending() is None:
            self._validated()

    def _measured(self) -> Mapping[str, float]:
        """Returns what the first member of the team measures, which the others are told later."""
        if self._validation is None or not self._team.is_first:
            return {MEASURE: 0.0}
        try:
            return self._validation(self._encoder, self._trainer.hardware)
        except NotFinite as error:
            raise IncompleteRun(
                f"the training diverged before step {self._state.step + 1}: {error.message}",
                "lower --learning-rate; the last checkpoint is kept",
            ) from None

    def _log(self, values: Mapping[str, float]) -> None:
        if self._metrics is not None:
            self._metrics.add(self._state.step, values)

    def _count_seconds(self) -> None:
        """Adds the elapsed seconds; under a time limit all members use those of the first."""
        state, now = self._state, time.monotonic()
        state.seconds += now - self._counted_until
        self._counted_until = now
        if self._settings.max_minutes is not None:
            state.seconds = self._team.of_first(state.seconds, self._trainer.hardware.device)

    def _share_spent(self) -> float:
        minutes = self._settings.max_minutes
        return 0.0 if minutes is None else self._state.seconds / (60 * minutes)

    def _is_checkpoint_due(self) -> bool:
        if self._ending() is not None:
            return False
        if self._state.step % self._settings.checkpoint_every == 0:
            return True
        minutes = self._settings.max_minutes
        # Otherwise a slow machine, which takes few steps, would get its time again after a kill.
        return minutes is not None and self._state.seconds - self._saved_seconds >= 6 * minutes

    def _save_checkpoint(self) -> None:
        self._saved_seconds = self._state.seconds
        if self._team.is_first:
            model, optimizer = self._encoder.model, self._trainer.optimizer
            save_checkpoint(self._checkpoint_path, self._state, model, optimizer)

    def _ending(self) -> Ending | None:
        """Returns why the training ends now, or None if it continues."""
        state, patience = self._state, self._settings.patience_steps
        if state.step >= self._trainer.total_steps:
            return "max steps"
        if self._share_spent() >= 1:
            return "time budget"
        # The steps since the last validation may be better, which is not known yet.
        if patience is not None and state.validated_step - state.best_step >= patience:
            return "patience"
        return None

    def _open_validation(self) -> Validations | None:
        validations = open_validations(self._settings, self._lists.queries)
        sets = validations.sets if validations is not None and self._team.is_first else ()
        for notice in (notice for one in sets for notice in one.notices):
            warn(notice)
        return validations

    def _summary(self, ended_by: Ending) -> TrainSummary:
        state = self._state
        return TrainSummary(
            out=self._settings.out,
            steps=state.step,
            best_step=state.best_step,
            loss=state.recent_loss or 0.0,
            validation=state.best_measure,
            first_stage=None if self._validation is None else self._validation.first_stage,
            lists=len(self._lists.lists),
            skipped_lists=self._lists.skipped,
            pairs=state.pairs,
            seconds=round(state.seconds, 1),
            ended_by=ended_by,
        )
