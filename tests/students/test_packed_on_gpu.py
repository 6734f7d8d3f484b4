"""Training on packed pairs as a GPU does it: its calls, with a kernel for the CPU in its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from test_packing import CPU, MODELS, gradient, model_of, pairs_of, template
from toy_training import lines, settings_of, weights
from varlen_on_cpu import CALLS, register_varlen_on_cpu

from rankgen.manifests.errors import UsageError
from rankgen.students.model import packed_forward, scoring
from rankgen.students.model.hardware import choose_hardware
from rankgen.students.model.loading import load_backbone
from rankgen.students.model.packed_forward import packed_logits, why_padded
from rankgen.students.model.packing import pack
from rankgen.students.training.train import packing_note, train_student

GPU = torch.device("cuda")


@pytest.fixture
def by_kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Has packed pairs attend by the call that is made on a GPU."""
    register_varlen_on_cpu()
    CALLS.clear()

    def called(
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        packed: packed_forward.PackedPairs,
        dropout: float,
        only_firsts: bool,
    ) -> torch.Tensor:
        assert dropout == 0
        return packed_forward._by_kernel(query, key, value, packed, only_firsts)

    with monkeypatch.context() as patch:
        patch.setattr(packed_forward, "_by_groups", called)
        yield


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("lengths", [[60, 41, 41, 41, 7, 7, 3, 1, 0], [5], [0, 60, 3, 60]])
@pytest.mark.usefixtures("by_kernel")
def test_scores_and_gradients_of_the_kernel_are_those_of_padded_pairs(
    name: str, lengths: list[int]
) -> None:
    model, of_pairs = model_of(name).train(), template("roberta" not in name)
    pairs = pairs_of(lengths)
    packed = packed_logits(model, pack(of_pairs, pairs))[:, 0]
    longest = max(of_pairs.length(*pair) for pair in pairs)
    # Two whole layers, and the last one for the first tokens alone.
    calls = [(longest, longest)] * 2 + [(1, longest)]
    assert calls == CALLS
    padded = model(**of_pairs.collate(pairs)).logits[:, 0]
    torch.testing.assert_close(packed, padded, rtol=0, atol=1e-5)
    ours, theirs = gradient(model, packed), gradient(model, padded)
    assert theirs.norm() > 1e-2
    assert (ours - theirs).norm() < 1e-5 * theirs.norm()


def test_a_training_on_packed_pairs_is_that_on_padded_ones(
    recipe: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    padded, packed = (
        settings_of(
            recipe, max_steps=4, dropout=0.0, attention_dropout=0.0, out=f"{recipe['out']}{n}"
        )
        for n in range(2)
    )
    with monkeypatch.context() as patch:
        patch.setattr(scoring, "is_packable", lambda *_: False)
        train_student(padded)
    request.getfixturevalue("by_kernel")
    train_student(packed)
    assert len(CALLS) > 4
    losses = [[line["loss"] for line in lines(settings)] for settings in (padded, packed)]
    # The processor decides on the last bits of a gradient, and AdamW makes whole steps of them.
    assert losses[0][0] == pytest.approx(losses[1][0], rel=1e-6)
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    one, other = weights(padded.out), weights(packed.out)
    # The softmax takes a key's bias away, and the loss that of the head: their gradients are
    # rounding, which AdamW makes as large as any.
    moot = ("key.bias", "classifier.bias")
    for name in (name for name in one if not name.endswith(moot)):
        torch.testing.assert_close(one[name], other[name], rtol=1e-3, atol=1e-5)
    assert "training on packed pairs" in capsys.readouterr().err


def test_attention_dropout_is_set_alone(tiny_backbone: str) -> None:
    cuts = {"seed": 1, "query_tokens": 8, "passage_tokens": 16}
    for dropout, others in ((None, {0.1}), (0.25, {0.25})):
        encoder = load_backbone(tiny_backbone, **cuts, dropout=dropout, attention_dropout=0.0)
        rates = {
            ("attention.self" in name, module.p)
            for name, module in encoder.model.named_modules()
            if isinstance(module, torch.nn.Dropout)
        }
        assert rates == {(True, 0.0), *((False, p) for p in others)}


def test_a_backbone_without_it_is_one_sentence(
    tiny_backbone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoConfig

    from rankgen.students.model import loading

    config = AutoConfig.from_pretrained(tiny_backbone)
    del config.attention_probs_dropout_prob
    monkeypatch.setattr(loading, "config_of", lambda _: config)
    with pytest.raises(UsageError, match=r"the attention of the backbone .* has no dropout"):
        load_backbone(
            tiny_backbone,
            seed=1,
            query_tokens=8,
            passage_tokens=16,
            dropout=None,
            attention_dropout=0.0,
        )


def test_why_pairs_are_padded_is_said(tiny_backbone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_forward, "_has_flash_attention", lambda device: True)
    noisy, still = model_of("electra", dropout=0.1), model_of("electra")
    assert why_padded(still, GPU, True, in_training=True) is None
    assert why_padded(noisy, GPU, True, in_training=False) is None
    assert why_padded(noisy, CPU, False, in_training=True) is None
    said = why_padded(noisy, GPU, True, in_training=True)
    assert said is not None
    assert "has no dropout, but the backbone's is 0.1" in said
    assert "--precision bf16" in str(why_padded(still, GPU, False, in_training=True))
    monkeypatch.setattr(packed_forward, "_has_flash_attention", lambda device: False)
    assert "Ampere" in str(why_padded(still, GPU, True, in_training=True))
    still.config.model_type = "deberta-v2"
    assert "deberta-v2" in str(why_padded(still, CPU, False, in_training=True))
    encoder = load_backbone(tiny_backbone, seed=1, query_tokens=8, passage_tokens=16, dropout=None)
    on_gpu = replace(choose_hardware("cpu", "fp32"), device=GPU)
    assert packing_note(encoder, on_gpu).startswith("training on padded pairs: on a GPU only bf16")
