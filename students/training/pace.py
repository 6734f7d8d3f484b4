"""How fast a backbone is trained here, from a few real steps; nothing is written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.losses import LossPart, parse_loss
from rankgen.students.training.drawn import step_lists
from rankgen.students.training.learned import with_targets
from rankgen.students.training.lists import RankedList, TrainingLists, read_training_lists
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.step import Trainer
from rankgen.students.training.team import current_team
from rankgen.students.training.train import prepared_encoder
from rankgen.students.training.training_facts import with_pinned_backbone

if TYPE_CHECKING:
    from rankgen.students.model.cross_encoder import CrossEncoder
    from rankgen.students.model.hardware import Hardware

STEPS = 3
# A processor is busy with one list; a GPU wants as many as a step has.
_LISTS_ON_CPU = 1
_PASSAGES_ON_CPU = 20
_WORDS = ("the", "water", "of", "a", "city", "was", "not", "in", "this", "old", "house", "near")


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
    return _timed(settings, lists, loss, encoder, hardware)


def made_up_pace(settings: TrainSettings, passages: int) -> Pace:
    """Times some steps of a training whose lists are not there yet, on made-up ones.

    Their texts are as long as those of MS MARCO; what the words are makes no difference. On a
    processor a step is one list of at most 20 passages, so that this takes seconds.

    Args:
        settings: The training's; its rankings are not opened.
        passages: Passages in a list.

    Raises:
        RankgenError: The backbone is not at hand, or the training itself would raise it.
    """
    loss = parse_loss(settings.loss)
    with_scores = any(part.loss.scores == "needed" for part in loss)
    targets = "scores" if with_scores else "order"
    settings = with_pinned_backbone(settings.model_copy(update={"targets": targets}))
    encoder, hardware = prepared_encoder(settings, current_team())
    if hardware.device.type == "cpu":
        settings = settings.model_copy(update={"queries_per_step": _LISTS_ON_CPU})
        passages = min(passages, _PASSAGES_ON_CPU)
    passages = min(passages, settings.depth or passages)
    lists = made_up_lists(settings.queries_per_step * (STEPS + 1), passages, with_scores)
    return _timed(settings, lists, loss, encoder, hardware)


def made_up_lists(count: int, passages: int, with_scores: bool) -> TrainingLists:
    """Returns lists of texts with 7 words in a query and 44 to 124 in a passage, 84 on average."""
    lists, queries, documents = [], {}, {}
    for number in range(count):
        query = f"q{number:04d}"
        doc_ids = tuple(f"{query}-{place}" for place in range(passages))
        scores = -np.arange(passages, dtype=np.float32) if with_scores else None
        lists.append(RankedList(query, doc_ids, scores))
        queries[query] = _words(7, number)
        for place, doc_id in enumerate(doc_ids):
            documents[doc_id] = _words(44 + 37 * (number + place) % 81, place)
    return TrainingLists(tuple(lists), queries, documents, 0)


def _words(count: int, first: int) -> str:
    """Returns words that every English vocabulary has as one piece."""
    return " ".join(_WORDS[(first + place) % len(_WORDS)] for place in range(count))


def _timed(
    settings: TrainSettings,
    lists: TrainingLists,
    loss: Sequence[LossPart],
    encoder: CrossEncoder,
    hardware: Hardware,
) -> Pace:
    draws = step_lists(encoder, lists, settings)
    trainer = Trainer(encoder, loss, settings, hardware, STEPS + 1, None, current_team())
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
