"""Trains a student: rankings in, a plain Hugging Face cross-encoder out."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from rankgen.manifests.errors import UsageError
from rankgen.manifests.long_documents.recorded import shown_otherwise
from rankgen.manifests.notices import warn
from rankgen.manifests.run.recipe_lock import check_recipe, write_recipe
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.choices import EVIDENCE_WEIGHTS
from rankgen.students.losses import LOSSES, LossPart, parse_loss
from rankgen.students.model.adapters import Lora, share_trained, with_adapters
from rankgen.students.model.compile import compile_layers
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.device import choose_device
from rankgen.students.model.hardware import Hardware, choose_hardware, place
from rankgen.students.model.loading import load_backbone
from rankgen.students.model.packed_forward import why_padded
from rankgen.students.model.precision import resolve_precision
from rankgen.students.training.evidence import PairEvidence, read_evidence
from rankgen.students.training.learned import with_targets
from rankgen.students.training.lists import read_training_lists
from rankgen.students.training.loop import TrainingRun, checkpoint_path
from rankgen.students.training.schedule import check_warmup
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.step import Trainer
from rankgen.students.training.step_memory import fitted
from rankgen.students.training.student_folder import (
    finished_summary,
    publish_student,
    refuse_foreign,
)
from rankgen.students.training.summary import TrainSummary
from rankgen.students.training.team import Team, current_team
from rankgen.students.training.training_facts import (
    held_precision,
    recipe_path,
    training_facts,
    with_identity,
    with_pinned_backbone,
    with_pinned_data,
)


def train_student(
    settings: TrainSettings, validated: Callable[[], None] | None = None
) -> TrainSummary:
    """Trains a student, resumes the training in `settings.out`, or returns its finished result.

    Checkpoints and metrics are in <out>/.rankgen; the student itself appears when it is finished.

    Args:
        settings: The recipe, its data and its folder.
        validated: Called when a validation is written to the metrics and steps follow; what it
            raises ends the training, which can be resumed.

    Raises:
        UsageError: The rankings, the backbone, the loss, the warm-up or the validation is unusable,
            or `out` holds a student of another recipe, or something else.
        EnvironmentProblem: A step on one pair does not fit into memory.
        IncompleteRun: The loss or the scores became NaN or infinite.
        IntegrityProblem: Texts are missing, or the checkpoint is damaged.
    """
    loss = parse_loss(settings.loss)
    settings = with_pinned_data(settings)
    settings = settings.model_copy(update=settings.chunk_values())
    evidence = _evidence(settings, loss)
    settings = with_targets(settings, loss)
    lists = read_training_lists(
        RunDirectory(settings.rankings),
        settings.depth,
        with_scores=settings.targets == "scores",
        shortest=min(part.loss.shortest for part in loss),
    )
    settings = with_pinned_backbone(settings)
    finished = finished_summary(settings.out)
    # Before its first checkpoint another recipe may replace a training.
    is_begun = finished is not None or checkpoint_path(settings.out).exists()
    team = current_team()
    settings = _with_precision(settings, team, is_begun=is_begun, is_finished=finished is not None)
    facts = training_facts(settings)
    if is_begun:
        check_recipe(recipe_path(settings.out), facts, with_identity)
    if finished is not None:
        return finished
    if not is_begun:
        refuse_foreign(settings.out, recipe_path(settings.out).exists())
    steps = _planned_steps(settings, len(lists.lists))
    encoder, hardware = prepared_encoder(settings, team)
    trainer = Trainer(encoder, loss, settings, hardware, steps, evidence, team)
    run = TrainingRun(trainer, lists, validated)
    if team.is_first:
        if otherwise := shown_otherwise(RunDirectory(settings.rankings), settings.chunk_rule):
            warn(otherwise)
        write_recipe(recipe_path(settings.out), facts)
    summary = run.to_the_end()
    if team.is_first:
        publish_student(encoder, settings, facts, summary, lists.queries)
        checkpoint_path(settings.out).unlink(missing_ok=True)
    team.wait()
    return summary


def training_note(encoder: CrossEncoder, settings: TrainSettings) -> str:
    """Returns a sentence on what is trained: the checkpoint's own head, or a new one."""
    how = f"training {settings.backbone}"
    if encoder.adapted is not None:
        trained, total = share_trained(encoder.model)
        how += f" by LoRA adapters of rank {settings.lora_rank} ({trained:,} of {total:,} weights)"
    if encoder.has_trained_head:
        return f"{how} with its own head: {encoder.kind}"
    return f"{how} with a new head, drawn at random (seed {settings.seed})"


def lora_of(settings: TrainSettings) -> Lora:
    """Returns the shape of a training's adapters."""
    assert settings.lora_rank
    return Lora(
        settings.lora_rank, settings.scale, settings.lora_dropout or 0.0, settings.lora_targets
    )


def packing_note(encoder: CrossEncoder, hardware: Hardware) -> str:
    """Returns a sentence on whether the training computes padding, and why."""
    why = why_padded(encoder.model, hardware.device, hardware.is_bf16, in_training=True)
    if why is None:
        return "training on packed pairs, without any padding"
    return f"training on padded pairs: {why}"


def prepared_encoder(settings: TrainSettings, team: Team) -> tuple[CrossEncoder, Hardware]:
    """Returns the backbone on its device, and the hardware with parts that fit its memory."""
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
        attention_dropout=settings.attention_dropout,
    )
    encoder = replace(encoder, long_documents=settings.chunk_rule)
    if settings.lora_rank:
        encoder = with_adapters(encoder, lora_of(settings), settings.seed)
    place(encoder.model, hardware)
    if settings.compile:
        compile_layers(encoder.model)
    if settings.step_tokens is None:
        hardware = fitted(hardware, encoder, sharing=team.size)
    if team.is_first:
        print(training_note(encoder, settings), file=sys.stderr, flush=True)
        print(packing_note(encoder, hardware), file=sys.stderr, flush=True)
    return encoder, hardware


def _planned_steps(settings: TrainSettings, lists: int) -> int:
    """Returns the steps of a training that nothing ends early; its warm-up must fit into them."""
    steps = settings.max_steps or math.ceil(settings.epochs * lists / settings.queries_per_step)
    check_warmup(settings, steps)
    return steps


def _with_precision(
    settings: TrainSettings, team: Team, *, is_begun: bool, is_finished: bool
) -> TrainSettings:
    """Returns the settings with the precision that `auto` means for this training.

    A training keeps the precision that it began with, on any machine; when it begins, the first
    process of the team chooses for all.
    """
    if settings.precision != "auto":
        return settings
    held = held_precision(settings.out) if is_begun else None
    if held == "auto" and not is_finished:
        held = None  # Earlier versions recorded the word itself; what it meant is unknown.
    if held is None:
        device = choose_device(settings.device)
        is_bf16 = resolve_precision("auto", device.type) == "bf16"
        held = "bf16" if team.of_first(float(is_bf16), device) else "fp32"
    return settings.model_copy(update={"precision": held})


def _evidence(settings: TrainSettings, loss: Sequence[LossPart]) -> PairEvidence | None:
    """Returns the weights of the pairs, or None if every pair has weight 1."""
    if settings.pair_weights == EVIDENCE_WEIGHTS["all"]:
        return None
    if not any(part.loss.weighs_pairs for part in loss):
        able = sorted(name for name, known in LOSSES.items() if known.weighs_pairs)
        raise UsageError(
            f"the loss '{settings.loss}' does not use the pairs that --evidence weighs",
            f"use --evidence all, or one of {', '.join(able)}",
        )
    return read_evidence(RunDirectory(settings.rankings), settings.pair_weights)
