"""sentence-transformers, trained on the very lists that rankgen draws, step by step.

It starts from the same weights with the same head, and is shown the passages of every step, cut to
as many tokens, under the same optimizer and schedule; what differs is its code: losses, averages,
tokenisation, forward pass.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from rankgen.manifests.models.model_source import RECORD_FILE
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.loading import load_backbone
from rankgen.students.training.drawn import step_lists
from rankgen.students.training.lists import read_training_lists
from rankgen.students.training.optimizer import LAYER_NUMBER
from rankgen.students.training.schedule import rate_factor
from rankgen.students.training.settings import TrainSettings

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder as SentenceCrossEncoder

# The softmax of labels 20 and 0, ListNet's targets, is 1 and 0: LCE.
CERTAIN = 20.0
Loss = Callable[[list[list[str]], Tensor], Tensor]


class Stage(NamedTuple):
    """One training: where it starts, what it learns from, where the student goes."""

    start: Path
    rankings: Path
    out: Path
    options: dict[str, object]


class DrawnList(NamedTuple):
    """A query and the passages of a step, best first, with the teacher's scores if it has any."""

    query: str
    passages: list[str]
    scores: list[float]


def train_theirs(stage: Stage, seed: int) -> None:
    """Trains with sentence-transformers' model, tokenizer and losses on the same lists."""
    from sentence_transformers import CrossEncoder as SentenceCrossEncoder

    settings = TrainSettings.model_validate(
        {**stage.options, "rankings": stage.rankings, "out": stage.out, "seed": seed}
    )
    steps = settings.max_steps or 0
    longest = settings.query_tokens + settings.passage_tokens + 3
    model = SentenceCrossEncoder(str(stage.start), num_labels=1, max_length=longest, device="cpu")
    loss_of = step_loss(model, settings.loss)
    learned = learned_parameters(model, settings.frozen_layers)
    optimizer = torch.optim.AdamW(
        learned,
        betas=(0.9, settings.adam_beta2),
        weight_decay=settings.weight_decay,
        fused=True,
    )
    model.train()
    for step, lists in enumerate(drawn_lists(stage, settings, steps)):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * rate_factor(step, steps, settings)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=settings.precision == "bf16"):
            value = loss_of(lists)
        value.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(learned, settings.gradient_clip or 1.0)
        optimizer.step()
    model.save_pretrained(str(stage.out))
    # So that rankgen cuts the texts as the training did when it evaluates.
    cuts = {"query_tokens": settings.query_tokens, "passage_tokens": settings.passage_tokens}
    (stage.out / RECORD_FILE).write_text(json.dumps({"settings": cuts}))


def learned_parameters(model: SentenceCrossEncoder, frozen_layers: int) -> list[torch.nn.Parameter]:
    """Freezes what rankgen freezes, and returns the rest."""
    for name, parameter in model.named_parameters():
        layer = LAYER_NUMBER.search(name)
        is_low = layer is not None and int(layer[1]) < frozen_layers
        parameter.requires_grad_(not (frozen_layers and (is_low or "embeddings" in name)))
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def step_loss(model: SentenceCrossEncoder, name: str) -> Callable[[Sequence[DrawnList]], Tensor]:
    """Returns the loss of a step by sentence-transformers' class for that loss of rankgen."""
    from sentence_transformers.cross_encoder import losses

    if name == "mse":
        pointwise = losses.MSELoss(model)
        return lambda lists: pointwise(
            [
                [one.query for one in lists for _ in one.passages],
                [passage for one in lists for passage in one.passages],
            ],
            torch.tensor([score for one in lists for score in one.scores]),
        )
    if name == "margin-mse":
        margins = losses.MarginMSELoss(model)
        return lambda lists: margins(
            [[one.query for one in lists], *zip(*(one.passages for one in lists), strict=True)],
            torch.tensor([one.scores for one in lists]),
        )
    kinds = {
        "lce": losses.ListNetLoss,
        "listnet": losses.ListNetLoss,
        "ranknet": losses.RankNetLoss,
        "adr-mse": losses.ADRMSELoss,
    }
    listwise = kinds[name](model)
    return lambda lists: listwise(
        [[one.query for one in lists], [one.passages for one in lists]],
        [labels_of(name, len(one.passages)) for one in lists],
    )


def labels_of(loss: str, count: int) -> Tensor:
    """Returns what a listwise loss is told of a list in its teacher's order, shape (count,)."""
    ranks = torch.arange(1, count + 1, dtype=torch.float32)
    if loss == "lce":
        return CERTAIN * (ranks == 1)
    # As rankgen's ListNet has it: the softmax of -ln(rank) is proportional to 1/rank.
    return -torch.log(ranks) if loss == "listnet" else count + 1 - ranks


def drawn_lists(stage: Stage, settings: TrainSettings, steps: int) -> Iterator[list[DrawnList]]:
    """Yields the lists of every step of rankgen, as texts."""
    needs_scores = settings.loss in ("mse", "margin-mse")
    given = read_training_lists(RunDirectory(stage.rankings), None, with_scores=needs_scores)
    by_id = {ranked.query_id: ranked.doc_ids for ranked in given.lists}
    encoder = load_backbone(
        str(stage.start),
        seed=settings.seed,
        query_tokens=settings.query_tokens,
        passage_tokens=settings.passage_tokens,
        dropout=0.0,
    )
    draws = step_lists(encoder, given, settings)
    for step in range(steps):
        yield [
            DrawnList(
                cut(encoder, given.queries[drawn.query_id], settings.query_tokens),
                [
                    cut(
                        encoder,
                        given.documents[by_id[drawn.query_id][place]],
                        settings.passage_tokens,
                    )
                    for place in drawn.positions
                ],
                [] if drawn.scores is None else [float(score) for score in drawn.scores],
            )
            for drawn in draws.of_step(step)
        ]


def cut(encoder: CrossEncoder, text: str, tokens: int) -> str:
    """Returns a text's beginning of so many tokens."""
    ends = encoder.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    offsets = ends["offset_mapping"][:tokens]
    return text[: offsets[-1][1]] if offsets else text
