"""A step's work is handed to the device without asking it for anything; no bit depends on that.

Tensors without content refuse to be looked at, as `float(loss)` and `mask.all()` do, for which the
host waits on a GPU.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_packed_on_gpu import by_kernel  # noqa: F401  # a fixture
from test_packing import CPU, MODELS, gradient, model_of, pairs_of, template
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from toy_training import settings_of

from rankgen.manifests.models.cpu_kernels import fast_kernels
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.losses import LOSSES, parse_loss
from rankgen.students.model import scoring
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.hardware import choose_hardware, moved
from rankgen.students.model.loading import load_backbone
from rankgen.students.model.scoring import chunk_scores, takes_whole_masks, whole_mask
from rankgen.students.training.batches import StepLists, TokenList
from rankgen.students.training.lists import read_training_lists
from rankgen.students.training.step import Trainer
from rankgen.students.training.targets import targets_at, targets_of

# Fewer tokens than a step's lists have: their scores are cached, in some chunks.
CACHED = {"step_tokens": 200, "chunk_tokens": 200}


def prepared(
    recipe: dict[str, object], loss: str = "ranknet", **parts: int
) -> tuple[Trainer, list[TokenList]]:
    settings = settings_of(recipe, loss=loss, dropout=0.0, attention_dropout=0.0)
    encoder = load_backbone(
        settings.backbone, seed=3, query_tokens=8, passage_tokens=16, dropout=settings.dropout
    )
    lists = read_training_lists(RunDirectory(settings.rankings), None)
    draws = StepLists(
        lists.lists,
        encoder.pair_source(lists.queries, lists.documents),
        encoder.template,
        queries_per_step=5,
        sample_size=None,
        sample_mode="random",
        seed=3,
    )
    hardware = choose_hardware("cpu", "fp32", **parts)
    trainer = Trainer(encoder, parse_loss(loss), settings, hardware, 10)
    encoder.model.train()
    drawn = [
        ranked._replace(scores=np.arange(len(ranked.pairs), 0.0, -1.0, np.float32))
        for ranked in draws.of_step(0)
    ]
    return trainer, drawn


def step_without_content(trainer: Trainer, lists: list[TokenList]) -> torch.Tensor:
    targets = targets_of(lists, None)
    weights = trainer._list_weights(targets)
    part = targets_at(targets, range(len(lists)))
    with FakeTensorMode(allow_non_fake_inputs=True):
        return trainer._backward(lists, part, weights)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_part_of_a_step_asks_for_nothing(recipe: dict[str, object], loss: str) -> None:
    trainer, lists = prepared(recipe, loss)
    assert step_without_content(trainer, lists).shape == ()


@pytest.mark.usefixtures("by_kernel")
@pytest.mark.parametrize("parts", [{}, CACHED])
def test_nor_do_the_kernel_and_cached_scores(
    recipe: dict[str, object], parts: dict[str, int]
) -> None:
    trainer, lists = prepared(recipe, **parts)
    assert step_without_content(trainer, lists).shape == ()


class NothingIsRead(TorchDispatchMode):
    """Refuses to bring a tensor's value to the host."""

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: tuple[type, ...],
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        if func is torch.ops.aten._local_scalar_dense.default:
            raise ValueError("a tensor's value is asked for")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("parts", [{}, CACHED])
def test_nor_do_padded_pairs(
    recipe: dict[str, object], monkeypatch: pytest.MonkeyPatch, parts: dict[str, int]
) -> None:
    monkeypatch.setattr(scoring, "is_packable", lambda *_: False)
    trainer, lists = prepared(recipe, **parts)
    targets = targets_of(lists, None)
    given = lists, targets_at(targets, range(len(lists))), trainer._list_weights(targets)
    with NothingIsRead():
        trainer._backward(*given)
    # What transformers does with a mask of rows.
    monkeypatch.setattr(scoring, "takes_whole_masks", lambda model: False)
    with NothingIsRead(), pytest.raises(ValueError, match="is asked for"):
        trainer._backward(*given)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("lengths", [[60, 41, 7, 1, 0], [5, 5]])
def test_padded_scores_and_gradients_are_those_of_transformers_to_the_bit(
    monkeypatch: pytest.MonkeyPatch, name: str, lengths: list[int]
) -> None:
    monkeypatch.setattr(scoring, "is_packable", lambda *_: False)
    model, of_pairs = model_of(name, dropout=0.1).train(), template("roberta" not in name)
    assert takes_whole_masks(model)
    pairs, given = pairs_of(lengths), []
    # Equal bodies, so that the second case has no padding.
    if lengths == [5, 5]:
        pairs = [pairs[0], pairs[0]]
    encoder = CrossEncoder(model, None, of_pairs, 8, 60)
    model.register_forward_pre_hook(
        lambda _, args, named: given.append(named.get("attention_mask")), with_kwargs=True
    )
    torch.manual_seed(5)
    ours = chunk_scores(encoder, pairs, choose_hardware("cpu", "fp32"))
    of_ours = gradient(model, ours)
    torch.manual_seed(5)
    with fast_kernels("cpu"):
        theirs = model(**of_pairs.collate(pairs)).logits[:, 0]
    assert torch.equal(ours, theirs)
    assert torch.equal(of_ours, gradient(model, theirs))
    assert [None if mask is None else mask.dim() for mask in given] == [
        None if lengths == [5, 5] else 4,
        2,
    ]


def test_a_whole_mask_is_a_view() -> None:
    rows = torch.tensor([[1, 1, 0], [1, 1, 1]])
    whole = whole_mask(rows)
    assert whole.shape == (2, 1, 3, 3)
    assert whole.stride(2) == 0
    assert whole[0, 0].tolist() == [[True, True, False]] * 3


def test_the_loss_of_a_step_is_the_sum_of_its_parts_to_the_bit(
    recipe: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, lists = prepared(recipe, step_tokens=100, chunk_tokens=100)
    of_parts: list[float] = []
    backward = trainer._backward

    def noted(*arguments: object) -> torch.Tensor:
        loss = backward(*arguments)  # type: ignore[arg-type]  # passed on as they came
        of_parts.append(float(loss))
        return loss

    monkeypatch.setattr(trainer, "_backward", noted)
    report = trainer.run(0, lists)
    expected = 0.0
    for loss in of_parts:
        expected += loss
    assert len(of_parts) > 2
    assert report.loss == expected


def test_on_a_cpu_nothing_is_moved() -> None:
    tensor = torch.arange(3)
    assert moved(tensor, CPU) is tensor
