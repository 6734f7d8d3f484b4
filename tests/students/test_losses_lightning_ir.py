"""Agreement with lightning-ir: its batch means are our sums over our counts, over all lists."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from rankgen.students.losses import Targets, make_loss

ranknet = pytest.importorskip("lightning_ir.loss.pairwise")
approximate = pytest.importorskip("lightning_ir.loss.approximate")
listwise = pytest.importorskip("lightning_ir.loss.listwise")

LISTS, PASSAGES = 5, 17


def drawn() -> tuple[Tensor, Tensor]:
    """Scores, and the teacher's ranks 1 to n of each passage."""
    generator = torch.Generator().manual_seed(7)
    scores = torch.randn(LISTS, PASSAGES, generator=generator, dtype=torch.float64) * 3
    ranks = torch.stack([torch.randperm(PASSAGES, generator=generator) + 1 for _ in range(LISTS)])
    return scores.requires_grad_(), ranks.double()


def ours(name: str, scores: Tensor, ranks: Tensor) -> Tensor:
    mask = torch.ones_like(ranks, dtype=torch.bool)
    terms = make_loss(name).terms(scores, Targets(ranks, mask))
    return terms.sums.sum() / terms.counts.sum()


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("ranknet", lambda: ranknet.RankNet()),
        ("adr-mse", lambda: approximate.ApproxRankMSE(discount="log2")),
        ("lce", lambda: listwise.InfoNCE()),
    ],
)
def test_values_and_gradients(name: str, theirs: Callable[[], Any]) -> None:
    scores, ranks = drawn()
    output, batch = SimpleNamespace(scores=scores), SimpleNamespace(targets=-ranks)
    value = theirs().compute_loss(output, batch)
    mine = ours(name, scores, ranks)
    # lightning-ir discounts in 32 bits.
    torch.testing.assert_close(mine, value, rtol=1e-7, atol=0)
    (slopes,) = torch.autograd.grad(mine, scores)
    (wanted,) = torch.autograd.grad(value, scores)
    assert wanted.norm() > 1e-3
    torch.testing.assert_close(slopes, wanted, rtol=1e-6, atol=1e-9)
