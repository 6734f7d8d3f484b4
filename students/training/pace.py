"""How fast a backbone is trained here, from a few real steps; nothing is written."""

from __future__ import annotations

import time

from pydantic import BaseModel, ConfigDict

from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.losses import parse_loss
from rankgen.students.training.drawn import step_lists
from rankgen.students.training.learned import with_targets
from rankgen.students.training.lists import TrainingLists, read_training_lists
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.step import Trainer
from rankgen.students.training.team import current_team
from rankgen.students.training.train import prepared_encoder
from rankgen.students.training.training_facts import with_pinned_backbone

STEPS = 3
# A processor is busy with one list; a GPU wants as many as a step has.
_LISTS_ON_CPU = 1


class Pace(BaseModel):
    """What was measured.

    Attributes:
        tokens_per_second: Tokens of pairs, special ones included, that a training reads.
        tokens_per_pair: Mean over the pairs of the steps.
        steps: Timed steps.
        device: Where.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens_per_second: float
    tokens_per_pair: float
    steps: int
    device: str


def measured_pace(settings: TrainSettings) -> Pace:
    """Times some steps of a training, after one that is not counted.

    On a processor a step is one list, which keeps it busy, so that this takes seconds; elsewhere
    it has as many lists as the training's.

    Raises:
        RankgenError: The training itself would raise it before its first step.
    """
    loss = parse_loss(settings.loss)
    settings = with_pinned_backbone(with_targets(settings, loss))
    team = current_team()
    encoder, hardware = prepared_encoder(settings, team)
    if hardware.device.type == "cpu":
        settings = settings.model_copy(update={"queries_per_step": _LISTS_ON_CPU})
    lists = read_training_lists(
        RunDirectory(settings.rankings),
        settings.depth,
        with_scores=settings.targets == "scores",
        shortest=min(part.loss.shortest for part in loss),
    )
    lists = _first(lists, settings.queries_per_step * (STEPS + 1))
    draws = step_lists(encoder, lists, settings)
    trainer = Trainer(encoder, loss, settings, hardware, STEPS + 1, None, team)
    trainer.run(0, draws.of_step(0))
    tokens = pairs = 0
    seconds = 0.0
    for step in range(1, STEPS + 1):
        drawn = draws.of_step(step)
        began = time.perf_counter()
        pairs += trainer.run(step, drawn).pairs
        seconds += time.perf_counter() - began
        tokens += sum(ranked.tokens for ranked in drawn)
    return Pace(
        tokens_per_second=tokens / seconds,
        tokens_per_pair=tokens / pairs,
        steps=STEPS,
        device=str(hardware.device),
    )


def _first(lists: TrainingLists, count: int) -> TrainingLists:
    """Returns the first lists with their texts alone: tokenising all of a large set takes long."""
    kept = lists.lists[:count]
    doc_ids = {doc_id for ranked in kept for doc_id in ranked.doc_ids}
    return TrainingLists(
        kept,
        {ranked.query_id: lists.queries[ranked.query_id] for ranked in kept},
        {doc_id: lists.documents[doc_id] for doc_id in sorted(doc_ids)},
        lists.skipped,
        lists.titles,
    )
