"""`train_student`: rankings in, a plain Hugging Face cross-encoder out."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

from rankgen.manifests.digest import sha256_of_file
from rankgen.manifests.errors import UsageError
from rankgen.manifests.progress import Progress, progress
from rankgen.manifests.run_directory import RunDirectory
from rankgen.students.artefact import finished_summary, publish_student
from rankgen.students.batches import StepLists
from rankgen.students.checkpoint import TrainState, load_checkpoint, save_checkpoint, weights_of
from rankgen.students.choices import EVIDENCE_WEIGHTS
from rankgen.students.cross_encoder import CrossEncoder, load_backbone
from rankgen.students.evidence import PairEvidence, read_evidence
from rankgen.students.hardware import Hardware, choose_hardware, place
from rankgen.students.lists import TrainingLists, read_training_lists
from rankgen.students.losses import LOSSES, LossPart, parse_loss
from rankgen.students.metrics_log import MetricsLog
from rankgen.students.recipe_lock import check_recipe, tables_digest, write_recipe
from rankgen.students.settings import TrainSettings
from rankgen.students.step import Trainer
from rankgen.students.summary import TrainSummary
from rankgen.students.validate import Validation

# The moving average of the loss remembers about so many steps.
LOSS_MEMORY = 50


def train_student(settings: TrainSettings) -> TrainSummary:
    """Trains a student, or continues or recognises the training that `settings.out` holds.

    Checkpoints and metrics stand in <out>/.rankgen; the student itself appears when it is done.

    Raises:
        UsageError: The rankings, the backbone, the loss or the validation is unusable, or `out`
            holds a student of another recipe.
        IncompleteRun: The loss became NaN or infinite.
        IntegrityProblem: Texts are missing, or the checkpoint is damaged.
    """
    loss = parse_loss(settings.loss)
    evidence = _evidence(settings, loss)
    rankings = RunDirectory(settings.rankings)
    lists = read_training_lists(rankings, settings.depth)
    facts = _facts(settings)
    recipe_path = settings.out / ".rankgen" / "recipe.json"
    finished = finished_summary(settings.out)
    # Before its first checkpoint a training has nothing that another recipe could spoil.
    if finished is not None or checkpoint_path(settings.out).exists():
        check_recipe(recipe_path, facts)
    if finished is not None:
        return finished
    hardware = choose_hardware(
        settings.device,
        settings.precision,
        chunk_tokens=settings.chunk_tokens,
        step_tokens=settings.step_tokens,
        threads=settings.threads,
    )
    encoder = load_backbone(
        settings.backbone,
        seed=settings.seed,
        query_tokens=settings.query_tokens,
        passage_tokens=settings.passage_tokens,
        dropout=settings.dropout,
    )
    place(encoder.model, hardware)
    steps = _total_steps(settings, len(lists.lists))
    trainer = Trainer(encoder, loss, settings, hardware, steps, evidence)
    run = _TrainingRun(settings, encoder, trainer, hardware, lists, steps)
    write_recipe(recipe_path, facts)
    summary = run.to_the_end()
    publish_student(encoder, settings, facts, summary)
    checkpoint_path(settings.out).unlink(missing_ok=True)
    return summary


def checkpoint_path(out: Path) -> Path:
    """Returns where the checkpoint of an unfinished training stands."""
    return out / ".rankgen" / "checkpoint.pt"


def _evidence(settings: TrainSettings, loss: Sequence[LossPart]) -> PairEvidence | None:
    """Returns the weights of the pairs, or None where every pair weighs 1."""
    if settings.pair_weights == EVIDENCE_WEIGHTS["all"]:
        return None
    if not any(part.loss.weighs_pairs for part in loss):
        able = sorted(name for name, known in LOSSES.items() if known.weighs_pairs)
        raise UsageError(
            f"the loss '{settings.loss}' has no pairs that evidence could weigh",
            f"use --evidence all, or one of {', '.join(able)}",
        )
    return read_evidence(RunDirectory(settings.rankings), settings.pair_weights)


def _total_steps(settings: TrainSettings, lists: int) -> int:
    if settings.max_steps is not None:
        return settings.max_steps
    return math.ceil(settings.epochs * lists / settings.queries_per_step)


def _facts(settings: TrainSettings) -> dict[str, object]:
    """Returns what makes this training the same as another: the recipe and its data's digests."""
    tables: tuple[str, ...] = ("rankings", "queries", "documents")
    if settings.pair_weights != EVIDENCE_WEIGHTS["all"]:
        tables = ("rankings", "windows", "queries", "documents")
    facts: dict[str, object] = dict(settings.recipe())
    facts["rankings_sha256"] = tables_digest(RunDirectory(settings.rankings), tables)
    if settings.validation is not None and settings.validation_qrels is not None:
        run = RunDirectory(settings.validation)
        facts["validation_sha256"] = tables_digest(run, ("candidates", "queries", "documents"))
        facts["validation_qrels_sha256"] = sha256_of_file(settings.validation_qrels)
    return facts


class _TrainingRun:
    """One training from its checkpoint to its last step."""

    def __init__(
        self,
        settings: TrainSettings,
        encoder: CrossEncoder,
        trainer: Trainer,
        hardware: Hardware,
        lists: TrainingLists,
        steps: int,
    ) -> None:
        self._settings, self._encoder, self._trainer = settings, encoder, trainer
        self._hardware, self._lists, self._steps = hardware, lists, steps
        self._checkpoint_path = checkpoint_path(settings.out)
        self._validation = self._open_validation()
        self._state = (
            load_checkpoint(self._checkpoint_path, encoder.model, trainer.optimizer) or TrainState()
        )
        self._metrics = MetricsLog(settings.out / ".rankgen" / "metrics.jsonl", self._state.step)

    def to_the_end(self) -> TrainSummary:
        """Takes the steps that are left and leaves the best weights in the model."""
        state, settings = self._state, self._settings
        draws = StepLists(
            self._lists.lists,
            self._encoder.tokenise_queries(self._lists.queries),
            self._encoder.tokenise_passages(self._lists.documents),
            self._encoder.template,
            queries_per_step=settings.queries_per_step,
            sample_size=settings.sample_size,
            sample_mode=settings.sample_mode,
            seed=settings.seed,
        )
        with progress("train student", self._steps, state.step) as shown:
            while state.step < self._steps and not self._is_out_of_patience():
                self._one_step(draws, shown)
        save_checkpoint(self._checkpoint_path, state, self._encoder.model, self._trainer.optimizer)
        if state.best_weights is not None:
            self._encoder.model.load_state_dict(state.best_weights)
        return self._summary()

    def _one_step(self, draws: StepLists, shown: Progress) -> None:
        state, began = self._state, time.monotonic()
        report = self._trainer.run(state.step, draws.of_step(state.step))
        state.step += 1
        state.pairs += report.pairs
        state.recent_loss = _moving(state.recent_loss, report.loss, state.step)
        seconds = time.monotonic() - began
        state.seconds += seconds
        self._metrics.add(
            state.step,
            {
                "loss": report.loss,
                "learning_rate": report.learning_rate,
                "pairs_per_second": round(report.pairs / seconds, 2),
            },
        )
        is_last = state.step == self._steps
        if is_last or state.step % self._settings.validate_every == 0:
            shown.note("validating")
            self._validate()
        if state.step % self._settings.checkpoint_every == 0 and not is_last:
            save_checkpoint(
                self._checkpoint_path, state, self._encoder.model, self._trainer.optimizer
            )
        shown.advance()
        shown.note(self._note())

    def _validate(self) -> None:
        if self._validation is None:
            self._state.best_step = self._state.step
            return
        began = time.monotonic()
        measure = self._validation(
            self._encoder,
            device=self._hardware.device,
            is_bf16=self._hardware.is_bf16,
            chunk_tokens=self._hardware.chunk_tokens,
        )
        state = self._state
        state.seconds += time.monotonic() - began
        if state.best_measure is None or measure > state.best_measure:
            state.best_measure, state.best_step = measure, state.step
            state.best_weights = weights_of(self._encoder.model)
        self._metrics.add(state.step, {"validation nDCG@10": measure})

    def _is_out_of_patience(self) -> bool:
        patience = self._settings.patience_steps
        if self._validation is None or patience is None or self._state.best_measure is None:
            return False
        return self._state.step - self._state.best_step >= patience

    def _open_validation(self) -> Validation | None:
        settings = self._settings
        if settings.validation is None or settings.validation_qrels is None:
            return None
        return Validation(
            settings.validation,
            settings.validation_qrels,
            settings.validation_queries,
            settings.validation_depth,
        )

    def _note(self) -> str:
        text = f"loss {self._state.recent_loss:.4f}"
        if self._state.best_measure is not None:
            text += f", best nDCG@10 {self._state.best_measure:.4f}"
        return text

    def _summary(self) -> TrainSummary:
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
            is_stopped_early=state.step < self._steps,
        )


def _moving(average: float | None, loss: float, step: int) -> float:
    if average is None:
        return loss
    share = 1 / min(step, LOSS_MEMORY)
    return average + share * (loss - average)
