"""`train_student`: rankings in, a plain Hugging Face cross-encoder out."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

from rankgen.manifests.errors import UsageError
from rankgen.manifests.run.recipe_lock import write_recipe
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.choices import EVIDENCE_WEIGHTS, Precision
from rankgen.students.losses import LOSSES, LossPart, parse_loss
from rankgen.students.model.compile import compile_layers
from rankgen.students.model.cross_encoder import CrossEncoder, load_backbone
from rankgen.students.model.hardware import Hardware, choose_device, choose_hardware, place
from rankgen.students.model.packed_forward import why_padded
from rankgen.students.model.precision import resolve_precision
from rankgen.students.training.evidence import PairEvidence, read_evidence
from rankgen.students.training.lists import read_training_lists
from rankgen.students.training.loop import TrainingRun, checkpoint_path
from rankgen.students.training.schedule import check_warmup
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.step import Trainer
from rankgen.students.training.step_memory import fitted
from rankgen.students.training.student_folder import finished_summary, publish_student
from rankgen.students.training.summary import TrainSummary
from rankgen.students.training.team import Team, current_team
from rankgen.students.training.training_facts import (
    check_training,
    held_precision,
    recipe_path,
    training_facts,
    with_pinned_backbone,
)


def train_student(settings: TrainSettings) -> TrainSummary:
    """Trains a student, or continues or recognises the training that `settings.out` holds.

    Checkpoints and metrics stand in <out>/.rankgen; the student itself appears when it is done.

    Raises:
        UsageError: The rankings, the backbone, the loss, the warm-up or the validation is unusable,
            or `out` holds a student of another recipe.
        EnvironmentProblem: The memory does not hold a step on one pair.
        IncompleteRun: The loss became NaN or infinite.
        IntegrityProblem: Texts are missing, or the checkpoint is damaged.
    """
    loss = parse_loss(settings.loss)
    evidence = _evidence(settings, loss)
    rankings = RunDirectory(settings.rankings)
    lists = read_training_lists(rankings, settings.depth)
    settings = with_pinned_backbone(settings)
    finished = finished_summary(settings.out)
    # Before its first checkpoint a training has nothing that another recipe could spoil.
    is_begun = finished is not None or checkpoint_path(settings.out).exists()
    team = current_team()
    if settings.precision == "auto":
        held = held_precision(settings.out) if is_begun else None
        if finished is None and held == "auto":
            held = None  # Recipes of old kept the word; what it meant there is not known.
        settings = _with_precision(settings, held, team)
    facts = training_facts(settings)
    if is_begun:
        check_training(settings.out, facts)
    if finished is not None:
        return finished
    steps = _total_steps(settings, len(lists.lists))
    check_warmup(settings, steps)
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
    place(encoder.model, hardware)
    if settings.compile:
        compile_layers(encoder.model)
    if settings.step_tokens is None:
        hardware = fitted(hardware, encoder, sharing=team.size)
    if team.is_first:
        print(packing_note(encoder, hardware), file=sys.stderr, flush=True)
    trainer = Trainer(encoder, loss, settings, hardware, steps, evidence, team)
    run = TrainingRun(settings, encoder, trainer, lists, steps, team)
    if team.is_first:
        write_recipe(recipe_path(settings.out), facts)
    summary = run.to_the_end()
    if team.is_first:
        publish_student(encoder, settings, facts, summary)
        checkpoint_path(settings.out).unlink(missing_ok=True)
    team.wait()
    return summary


def packing_note(encoder: CrossEncoder, hardware: Hardware) -> str:
    """Says whether the training computes padding, and why."""
    why = why_padded(encoder.model, hardware.device, hardware.is_bf16, in_training=True)
    if why is None:
        return "training on packed pairs, without any padding"
    return f"training on padded pairs: {why}"


def _with_precision(settings: TrainSettings, held: Precision | None, team: Team) -> TrainSettings:
    """Returns the settings with the precision that `auto` means for this training, everywhere.

    Args:
        settings: With `auto`.
        held: What the training was begun with, which it keeps on another machine too.
        team: Without `held`, what suits its first member holds for all.
    """
    if held is None:
        device = choose_device(settings.device)
        is_bf16 = resolve_precision("auto", device.type) == "bf16"
        held = "bf16" if team.of_first(float(is_bf16), device) else "fp32"
    return settings.model_copy(update={"precision": held})


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
