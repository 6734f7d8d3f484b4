"""Losses against hand-computed values, invariances, finite differences and the peers' code."""

from __future__ import annotations

import math

import pytest
import torch
from given_scores import Scorer
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rankgen.manifests.errors import UsageError
from rankgen.students.losses import LOSSES, make_loss
from rankgen.students.losses.adr_mse import approximate_ranks, evidenced_ranks
from rankgen.students.losses.terms import (
    Reduction,
    Targets,
    average_ranks,
    reduced,
    reduction_weights,
)

NAMES = sorted(LOSSES)
REDUCTIONS: tuple[Reduction, ...] = ("per_query_mean", "batch_pairs", "sum")


def whole(scores: Tensor) -> Tensor:
    return torch.ones(scores.shape, dtype=torch.bool)


def loss_of(
    name: str,
    scores: Tensor,
    ranks: Tensor,
    mask: Tensor | None = None,
    reduction: Reduction = "per_query_mean",
) -> Tensor:
    loss, there = make_loss(name), whole(scores) if mask is None else mask
    teacher = None
    if loss.scores == "needed":
        # The teacher's scores fall with the rank, around 0.
        places = torch.where(there, ranks, torch.zeros_like(ranks))
        teacher = places.sum(dim=1, keepdim=True) / there.sum(dim=1, keepdim=True) - ranks
    return reduced(loss.terms(scores, Targets(ranks, there, teacher)), reduction)


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_ranknet_by_hand() -> None:
    scores, ranks = torch.tensor([[2.0, 0.5, 1.0]]), torch.tensor([[1.0, 2.0, 3.0]])
    by_hand = [softplus(0.5 - 2.0), softplus(1.0 - 2.0), softplus(1.0 - 0.5)]
    assert loss_of("ranknet", scores, ranks, reduction="sum").item() == pytest.approx(sum(by_hand))
    assert loss_of("ranknet", scores, ranks).item() == pytest.approx(sum(by_hand) / 3)


def test_lce_by_hand() -> None:
    scores, ranks = torch.tensor([[2.0, 0.5, 1.0]]), torch.tensor([[2.0, 1.0, 3.0]])
    by_hand = -(0.5 - math.log(math.exp(2.0) + math.exp(0.5) + math.exp(1.0)))
    assert loss_of("lce", scores, ranks).item() == pytest.approx(by_hand)


def test_lce_shares_its_target_among_those_at_the_top() -> None:
    scores, ranks = torch.tensor([[2.0, 0.5, 1.0]]), torch.tensor([[1.0, 1.0, 3.0]])
    total = math.log(math.exp(2.0) + math.exp(0.5) + math.exp(1.0))
    by_hand = -0.5 * (2.0 - total) - 0.5 * (0.5 - total)
    assert loss_of("lce", scores, ranks).item() == pytest.approx(by_hand)


def test_approximate_ranks_by_hand() -> None:
    scores = torch.tensor([[3.0, 1.0, 0.0, -2.0]], dtype=torch.float64)
    ranks = approximate_ranks(scores, whole(scores), alpha=1.0)
    assert ranks[0].tolist() == pytest.approx([1.173, 2.197, 2.803, 3.827], abs=5e-4)
    assert ranks.sum().item() == pytest.approx(10)


def test_adr_mse_by_hand() -> None:
    scores, ranks = torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 1.0]])
    sigmoid = 1 / (1 + math.exp(-1.0))
    first, second = 2 - (1 + (1 - sigmoid)), 1 - (1 + sigmoid)
    by_hand = first**2 / math.log2(3) + second**2 / math.log2(2)
    assert loss_of("adr-mse", scores, ranks, reduction="sum").item() == pytest.approx(by_hand)


def test_tied_documents_lose_half_a_pair_to_each_other() -> None:
    ranks = torch.tensor([[1.0, 1.0, 4.0, 9.0]])
    targets = Targets(ranks, torch.tensor([[True, True, True, False]]))
    assert evidenced_ranks(targets, ranks)[0, :3].tolist() == [1.5, 1.5, 3.0]


def test_adr_mse_vanishes_for_the_right_order_at_a_sharp_alpha() -> None:
    from rankgen.students.losses.adr_mse import AdrMse

    scores, ranks = torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([[1.0, 2.0, 3.0]])
    terms = AdrMse(alpha=100).terms(scores, Targets(ranks, whole(scores)))
    assert terms.sums.item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_the_better_passage_is_pushed_up(name: str) -> None:
    scores = torch.zeros(1, 2, requires_grad=True)
    loss_of(name, scores, torch.tensor([[1.0, 2.0]])).backward()
    assert scores.grad is not None
    better, worse = scores.grad[0].tolist()
    assert better < 0 < worse


@st.composite
def lists(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    n = draw(st.integers(2, 12))
    batch = draw(st.integers(1, 4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    scores = torch.randn(batch, n, generator=generator, dtype=torch.float64) * 3
    ranks = torch.stack([torch.randperm(n, generator=generator) for _ in range(batch)]) + 1
    return scores, ranks.double()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25)
@given(data=lists(), shift=st.floats(-50, 50))
def test_shift_permutation_and_padding_change_nothing(
    name: str, data: tuple[Tensor, Tensor], shift: float
) -> None:
    scores, ranks = data
    expected = loss_of(name, scores, ranks)
    if name != "mse":
        torch.testing.assert_close(loss_of(name, scores + shift, ranks), expected)
    order = torch.randperm(scores.shape[1], generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(loss_of(name, scores[:, order], ranks[:, order]), expected)
    filler = torch.tensor([math.nan, math.inf, -math.inf], dtype=torch.float64)
    filler = filler.expand(scores.shape[0], 3)
    padded = torch.cat([scores, filler], dim=1)
    mask = torch.cat([whole(scores), torch.zeros_like(filler, dtype=torch.bool)], dim=1)
    filled_ranks = torch.cat([ranks, torch.zeros_like(filler)], dim=1)
    torch.testing.assert_close(loss_of(name, padded, filled_ranks, mask), expected)


@pytest.mark.parametrize("name", NAMES)
def test_padding_gets_no_gradient_and_no_nan(name: str) -> None:
    scores = torch.tensor([[1.0, -1.0, math.inf]], requires_grad=True)
    mask = torch.tensor([[True, True, False]])
    loss_of(name, scores, torch.tensor([[2.0, 1.0, 1.0]]), mask).backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()
    assert scores.grad[0, 2] == 0
    assert scores.grad[0, 0] != 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_gradient_equals_finite_differences(name: str, reduction: Reduction) -> None:
    generator = torch.Generator().manual_seed(3)
    scores = torch.randn(3, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    ranks = torch.stack([torch.randperm(6, generator=generator) for _ in range(3)]).double()
    mask = torch.arange(6).expand(3, -1) < torch.tensor([6, 4, 2]).unsqueeze(1)
    assert torch.autograd.gradcheck(
        lambda s: loss_of(name, s, ranks, mask, reduction), (scores,), atol=1e-7
    )


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_scores_give_a_32_bit_loss(name: str) -> None:
    scores = torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.bfloat16)
    assert loss_of(name, scores, torch.tensor([[3.0, 1.0, 2.0]])).dtype == torch.float32


@pytest.mark.parametrize("name", [name for name in NAMES if LOSSES[name].shortest == 2])
def test_a_list_of_one_is_no_evidence(name: str) -> None:
    scores = torch.tensor([[1.0, 0.0], [2.0, 1.0]], requires_grad=True)
    mask = torch.tensor([[True, False], [True, True]])
    ranks = torch.tensor([[1.0, 2.0], [1.0, 2.0]])
    alone = loss_of(name, scores[1:], ranks[1:])
    assert loss_of(name, scores, ranks, mask).item() == pytest.approx(alone.item())


def test_extreme_scores_stay_finite() -> None:
    scores = torch.tensor([[-1e4, 1e4]], requires_grad=True)
    for name in NAMES:
        loss = loss_of(name, scores, torch.tensor([[1.0, 2.0]]))
        (gradient,) = torch.autograd.grad(loss, scores)
        assert loss.isfinite()
        assert gradient.isfinite().all()


def test_reductions() -> None:
    counts = torch.tensor([3, 1, 0])
    assert reduction_weights(counts, "sum").tolist() == [1, 1, 1]
    assert reduction_weights(counts, "batch_pairs").tolist() == [0.25] * 3
    assert reduction_weights(counts, "per_query_mean").tolist() == [1 / 6, 1 / 2, 0]


def test_ties_share_the_mean_of_their_places() -> None:
    ranks = torch.tensor([[5.0, 1.0, 1.0, 9.0]])
    mask = torch.tensor([[True, True, True, False]])
    assert average_ranks(ranks, mask)[0, :3].tolist() == [3.0, 1.5, 1.5]


def test_tied_ranks_are_no_ranknet_pairs() -> None:
    scores, ranks = torch.tensor([[0.3, 0.1]]), torch.tensor([[1.0, 1.0]])
    assert make_loss("ranknet").terms(scores, Targets(ranks, whole(scores))).counts.item() == 0
    assert loss_of("ranknet", scores, ranks).item() == 0


def test_unknown_loss_suggests_the_near_one() -> None:
    with pytest.raises(UsageError, match="no loss 'rank_nett'") as error:
        make_loss("rank_nett")
    assert error.value.hint == "did you mean 'ranknet'?"


def peer_loss(name: str, scores: list[list[float]], ranks: list[list[float]]) -> float:
    losses = pytest.importorskip("sentence_transformers.cross_encoder.losses")
    flat = [score for row in scores for score in row]
    model = Scorer(flat)
    loss = losses.RankNetLoss(model) if name == "ranknet" else losses.ADRMSELoss(model)
    inputs = [["q"] * len(scores), [["d"] * len(row) for row in scores]]
    labels = [torch.tensor([-rank for rank in row]) for row in ranks]
    value: float = loss(inputs, labels).item()
    return value


def test_agreement_with_sentence_transformers_over_ragged_lists() -> None:
    scores = [[2.0, -1.0, 0.5, 3.0], [0.1, 0.2, -0.4]]
    ranks = [[2.0, 1.0, 3.0, 4.0], [3.0, 1.0, 2.0]]
    padded_scores = torch.tensor([scores[0], [*scores[1], 0.0]])
    padded_ranks = torch.tensor([ranks[0], [*ranks[1], 0.0]])
    mask = torch.tensor([[True] * 4, [True, True, True, False]])
    for name, factor in (("ranknet", 1 / math.log(2)), ("adr-mse", 1.0)):
        # Theirs: log2 instead of ln, and the mean over all terms of the batch.
        ours = loss_of(name, padded_scores, padded_ranks, mask, "batch_pairs").item()
        assert peer_loss(name, scores, ranks) == pytest.approx(ours * factor, rel=1e-5)
