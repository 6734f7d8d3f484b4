"""Losses on the teacher's scores: by hand, as the peers have them, and in a training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor
from toy_training import toy_lists

from rankgen.manifests.errors import UsageError
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.losses import LOSSES, Targets, make_loss, parse_loss
from rankgen.students.losses.terms import reduced
from rankgen.students.training.learned import with_targets
from rankgen.students.training.lists import read_training_lists
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.targets import targets_at, targets_of
from rankgen.students.training.train import train_student

LISTS, PASSAGES = 5, 17


def drawn() -> tuple[Tensor, Targets]:
    """A student's scores, and a teacher's with the ranks that follow from them."""
    generator = torch.Generator().manual_seed(7)
    scores, teacher = torch.randn(2, LISTS, PASSAGES, generator=generator, dtype=torch.float64) * 3
    ranks = (-teacher).argsort(dim=1).argsort(dim=1) + 1.0
    mask = torch.ones(LISTS, PASSAGES, dtype=torch.bool)
    return scores.requires_grad_(), Targets(ranks, mask, teacher)


def ours(name: str, scores: Tensor, targets: Targets) -> Tensor:
    """The mean over all terms of the batch, as the peers take it."""
    return reduced(make_loss(name).terms(scores, targets), "batch_pairs")


def assert_equal_with_gradients(mine: Tensor, theirs: Tensor, scores: Tensor) -> None:
    # sentence-transformers has its labels in 32 bits.
    torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=0)
    (slopes,) = torch.autograd.grad(mine, scores, retain_graph=True)
    (wanted,) = torch.autograd.grad(theirs, scores)
    assert wanted.norm() > 1e-3
    torch.testing.assert_close(slopes, wanted, rtol=1e-6, atol=1e-7)


class Given(torch.nn.Module):
    """In place of a CrossEncoder: gives its scores, one pair after the other."""

    def __init__(self, scores: Tensor) -> None:
        super().__init__()
        self.scores, self.given, self.device = scores, 0, scores.device

    def preprocess(self, pairs: list[object], **_: object) -> dict[str, int]:
        return {"pairs": len(pairs)}

    def forward(self, features: dict[str, int], **_: object) -> dict[str, Tensor]:
        start, self.given = self.given, self.given + features["pairs"]
        return {"scores": self.scores[start : self.given].unsqueeze(1)}


def peer_of(name: str, scores: Tensor) -> torch.nn.Module:
    """A loss of sentence-transformers on given scores; its constructor wants a whole model."""
    losses = pytest.importorskip("sentence_transformers.cross_encoder.losses")
    peer: torch.nn.Module = getattr(losses, name).__new__(getattr(losses, name))
    torch.nn.Module.__init__(peer)
    peer.model, peer.activation_fn = Given(scores), torch.nn.Identity()
    peer.loss_fct = torch.nn.MSELoss()
    return peer


def test_mse_by_hand() -> None:
    targets = Targets(
        torch.tensor([[1.0, 2.0, 0.0]]),
        torch.tensor([[True, True, False]]),
        torch.tensor([[4.0, -1.0, torch.nan]]),
    )
    terms = make_loss("mse").terms(torch.tensor([[2.0, 0.5, torch.inf]]), targets)
    assert terms.sums.tolist() == [(2 - 4) ** 2 + (0.5 + 1) ** 2]
    assert terms.counts.tolist() == [2]


def test_mse_is_that_of_sentence_transformers() -> None:
    scores, targets = drawn()
    assert targets.teacher_scores is not None
    pairs = [["query", "passage"]] * (LISTS * PASSAGES)
    theirs = peer_of("MSELoss", scores.flatten())(
        [list(side) for side in zip(*pairs, strict=True)], targets.teacher_scores.flatten()
    )
    assert_equal_with_gradients(ours("mse", scores, targets), theirs, scores)


def test_margin_mse_is_that_of_sentence_transformers() -> None:
    """Theirs has one positive a row: a list of two passages."""
    scores, targets = drawn()
    teacher = targets.teacher_scores
    assert teacher is not None
    two = Targets(targets.ranks[:, :2], targets.mask[:, :2], teacher[:, :2])
    texts = [["q"] * LISTS, ["p"] * LISTS, ["n"] * LISTS]
    flat = torch.cat([scores[:, 0], scores[:, 1]])
    theirs = peer_of("MarginMSELoss", flat)(texts, (teacher[:, 0] - teacher[:, 1]).unsqueeze(1))
    assert_equal_with_gradients(ours("margin-mse", scores[:, :2], two), theirs, scores)


@pytest.mark.parametrize(
    ("name", "room", "peer"),
    [("margin-mse", "pairwise", "SupervisedMarginMSE"), ("kl", "listwise", "KLDivergence")],
)
def test_lightning_ir_agrees(name: str, room: str, peer: str) -> None:
    scores, targets = drawn()
    module = pytest.importorskip(f"lightning_ir.loss.{room}")
    output = SimpleNamespace(scores=scores)
    theirs = getattr(module, peer)().compute_loss(
        output, SimpleNamespace(targets=targets.teacher_scores)
    )
    assert_equal_with_gradients(ours(name, scores, targets), theirs, scores)


def scored_run(write_rankings: Callable[..., Path], *, without: int = 0) -> Path:
    """Toy rankings with scores that fall by 1, 2, 3, ...; the first lists have none."""
    orders, queries, documents = toy_lists(queries=12, passages=6)
    scores = {
        query_id: [-0.5 * place * (place + 1) for place in range(len(doc_ids))]
        for query_id, doc_ids in sorted(orders.items())[without:]
    }
    return write_rankings(f"scored-{without}", orders, queries, documents, scores)


def settings_of(recipe: dict[str, object], run: Path, **other: object) -> TrainSettings:
    return TrainSettings.model_validate({**recipe, "rankings": run, **other})


@pytest.mark.parametrize(
    ("loss", "asked", "learned"),
    [
        ("margin-mse", "auto", "scores"),
        ("mse", "scores", "scores"),
        ("kl", "auto", "scores"),
        ("listnet", "order", "order"),
        ("ranknet", "auto", "order"),
        ("ranknet,mse", "auto", "scores"),
    ],
)
def test_what_a_loss_learns(
    recipe: dict[str, object],
    write_rankings: Callable[..., Path],
    loss: str,
    asked: str,
    learned: str,
) -> None:
    settings = settings_of(recipe, scored_run(write_rankings), loss=loss, targets=asked)
    assert with_targets(settings, parse_loss(loss)).targets == learned


def test_kl_learns_the_order_of_a_run_without_scores(recipe: dict[str, object]) -> None:
    settings = TrainSettings.model_validate({**recipe, "loss": "kl"})
    resolved = with_targets(settings, parse_loss("kl"))
    assert resolved.targets == "order"
    # Trainings that were begun before scores were kept have no word for it.
    assert "targets" not in resolved.recipe()


@pytest.mark.parametrize(
    ("loss", "asked", "without", "sentence", "hint"),
    [
        (
            "margin-mse",
            "auto",
            12,
            "12 of the 12 rankings in .* have no teacher's scores",
            "minilm",
        ),
        ("mse", "auto", 1, "1 of the 12 rankings .* which the loss 'mse' learns", "ranknet"),
        ("kl", "auto", 2, "2 of the 12 rankings .* which the loss 'kl' learns", "--targets order"),
        ("listnet", "scores", 12, "12 of the 12 rankings", "--targets order"),
        ("margin-mse", "order", 0, "learns the teacher's scores, not its order", "ranknet"),
        ("ranknet", "scores", 0, "learns the teacher's order, not its scores", "margin-mse"),
    ],
)
def test_what_cannot_be_learned_is_refused(
    recipe: dict[str, object],
    write_rankings: Callable[..., Path],
    loss: str,
    asked: str,
    without: int,
    sentence: str,
    hint: str,
) -> None:
    run = scored_run(write_rankings, without=without)
    with pytest.raises(UsageError, match=sentence) as refused:
        train_student(settings_of(recipe, run, loss=loss, targets=asked))
    assert hint in refused.value.hint


def test_scores_follow_their_passages(write_rankings: Callable[..., Path]) -> None:
    run = RunDirectory(scored_run(write_rankings))
    lists = read_training_lists(run, 4, with_scores=True).lists
    assert all(ranked.scores is not None for ranked in lists)
    assert {tuple(np.asarray(ranked.scores)) for ranked in lists} == {(0.0, -1.0, -3.0, -6.0)}


def test_a_training_on_scores_learns_them(
    recipe: dict[str, object], write_rankings: Callable[..., Path]
) -> None:
    """With MSE the student comes to give the teacher's numbers, which an order cannot teach."""
    run = scored_run(write_rankings)
    settings = settings_of(
        recipe, run, loss="mse", max_steps=60, sample_size=3, step_tokens=60, dropout=0.0
    )
    # Scores of 0 would have a loss of 61.8.
    assert train_student(settings).loss < 25
    record = (settings.out / "README.md").read_text()
    assert "| targets | scores |" in record


def test_targets_of_parts_of_a_step() -> None:
    from rankgen.students.training.batches import TokenList

    lists = [
        TokenList("a", [((1,), (2,))] * 3, 9, np.arange(3), np.array([3, 2, 1], np.float32)),
        TokenList("b", [((1,), (2,))] * 2, 6, np.arange(2), np.array([9, 8], np.float32)),
    ]
    targets = targets_of(lists, None)
    part = targets_at(targets, [1])
    assert part.teacher_scores is not None
    assert part.teacher_scores.tolist() == [[9.0, 8.0]]


def test_only_what_is_pointwise_learns_from_one_passage() -> None:
    assert [name for name, loss in LOSSES.items() if loss.shortest == 1] == ["mse"]
