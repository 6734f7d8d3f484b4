"""LoRA: what is trained, what is saved, and that every way of reading it gives the same scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from adapted import (
    ANSWERING,
    CUTS,
    ENCODERS,
    LORA,
    NAMED,
    PASSAGES,
    QUERIES,
    backbone,
    loaded,
    scored,
    scores,
)
from safetensors.torch import load_file
from toy_training import Killed, lines, settings_of, weights
from varlen_on_cpu import CALLS, register_varlen_on_cpu

from rankgen.students.model import packed_forward, scoring
from rankgen.students.model.adapter_folder import is_adapter
from rankgen.students.model.hardware import choose_hardware
from rankgen.students.model.packing import PackedPairs
from rankgen.students.model.scoring import score_pairs
from rankgen.students.training.push import hub_files
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.step import Trainer
from rankgen.students.training.train import train_student


@pytest.mark.parametrize("kind", [*ENCODERS, *ANSWERING])
def test_merged_and_as_adapter_it_gives_the_scores_of_transformers_and_peft(
    kind: str,
    minilm: str,
    recipe: dict[str, object],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from peft import PeftModel

    base = backbone(kind, tmp_path, minilm)
    settings = settings_of(recipe, backbone=str(base), max_steps=2, **CUTS, **LORA)
    train_student(settings)
    said = capsys.readouterr().err
    assert "by LoRA adapters of rank 2" in said
    assert ("training on packed pairs" in said) == (kind in ("electra", "bert"))

    ours = scored(settings.out)
    assert ours.std() > 0.01
    adapter = settings.out / "adapter"
    adapted = PeftModel.from_pretrained(loaded(kind, base), str(adapter)).eval()
    for theirs in (
        scores(kind, loaded(kind, settings.out), base),
        scored(adapter),
        scores(kind, adapted, base),
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)

    before, after = loaded(kind, base).state_dict(), loaded(kind, settings.out).state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    in_layers = {name for name in before if is_layers(name) and before[name].dim() == 2}
    heads = {name for name in before if kind in ENCODERS and is_head(name)}
    # A token that attends to nothing but itself has no use for a query or a key.
    idle = {name for name in in_layers if name.startswith("decoder.") and is_idle(name)}
    assert moved - heads == in_layers - idle
    held = load_file(adapter / "adapter_model.safetensors")
    assert {name for name in held if "lora_" not in name} == {
        f"base_model.model.{name}" for name in heads
    }


def is_layers(name: str) -> bool:
    """Tells whether a weight is in a numbered layer, and not a norm or T5's table of distances."""
    numbered = any(f".{word}." in name for word in ("layer", "layers", "block"))
    return numbered and not any(word in name.lower() for word in ("norm", "relative"))


def is_idle(name: str) -> bool:
    return name.endswith(("SelfAttention.q.weight", "SelfAttention.k.weight"))


def is_head(name: str) -> bool:
    return name.startswith(("classifier", "head")) or ".pooler." in name


@pytest.mark.parametrize("has_lora", [True, False])
def test_it_resumes_to_the_same_weights_after_a_kill(
    has_lora: bool, recipe: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**(LORA if has_lora else {}), "max_steps": 6, "checkpoint_every": 2}
    whole = settings_of(recipe, **options, out=tmp_path / "whole")
    train_student(whole)
    settings = settings_of(recipe, **options)
    run = Trainer.run

    def killed(self: Trainer, step: int, *others: object) -> object:
        if step == 5:
            raise Killed
        return run(self, step, *others)  # type: ignore[arg-type]  # passed on as they came

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "run", killed)
        with pytest.raises(Killed):
            train_student(settings)
    held = torch.load(settings.out / ".rankgen" / "checkpoint.pt", weights_only=True)["model"]
    assert (not any("base_layer" in name or "embeddings" in name for name in held)) == has_lora
    train_student(settings)
    for name, weight in weights(whole.out).items():
        assert torch.equal(weight, weights(settings.out)[name]), name
    assert [line["loss"] for line in lines(settings)] == [line["loss"] for line in lines(whole)]


@pytest.mark.parametrize("is_gpu_like", [False, True])
def test_packed_pairs_train_the_adapters_that_padded_ones_train(
    is_gpu_like: bool,
    minilm: str,
    recipe: dict[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base = backbone("electra", tmp_path, minilm)
    options = {**LORA, "lora_dropout": 0.0, "dropout": 0.0, "max_steps": 3}
    packed, padded = (
        settings_of(recipe, backbone=str(base), out=tmp_path / name, **options)
        for name in ("packed", "padded")
    )
    with monkeypatch.context() as patch:
        if is_gpu_like:
            register_varlen_on_cpu()
            CALLS.clear()
            patch.setattr(packed_forward, "_by_groups", by_kernel)
        train_student(packed)
        assert not is_gpu_like or len(CALLS) > 3
    with monkeypatch.context() as patch:
        patch.setattr(scoring, "is_packable", lambda *_: False)
        train_student(padded)
    losses = [[line["loss"] for line in lines(settings)] for settings in (packed, padded)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert losses[0][0] != losses[0][-1]


def by_kernel(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    packed: PackedPairs,
    dropout: float,
    only_firsts: bool,
) -> torch.Tensor:
    """Attends by the call that is made on a GPU."""
    assert dropout == 0
    return packed_forward._by_kernel(query, key, value, packed, only_firsts)


def test_adapters_compute_in_the_16_bits_of_a_gpu_s_kernel(minilm: str, tmp_path: Path) -> None:
    from rankgen.students.model.adapters import Lora, with_adapters
    from rankgen.students.model.loading import load_backbone

    base = backbone("electra", tmp_path, minilm)
    encoder = load_backbone(str(base), seed=1, query_tokens=8, passage_tokens=8, dropout=0.0)
    encoder = with_adapters(encoder, Lora(2, 4.0, 0.0), seed=1)
    seen: set[torch.dtype] = set()
    attend = packed_forward._by_groups

    def watched(*given: object) -> torch.Tensor:
        seen.update(tensor.dtype for tensor in given[:3])  # type: ignore[attr-defined]  # the first three are tensors
        return attend(*given)  # type: ignore[arg-type]  # passed on as they came

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed_forward, "_by_groups", watched)
        score_pairs(
            encoder, encoder.pairs(QUERIES, PASSAGES, NAMED), choose_hardware("cpu", "bf16")
        )
    assert seen == {torch.bfloat16}


def test_the_recipe_and_the_card_say_lora(recipe: dict[str, object]) -> None:
    plain = settings_of(recipe)
    assert not any("lora" in name for name in plain.recipe())
    assert settings_of(recipe, lora_rank=0).recipe() == plain.recipe()
    adapted = settings_of(recipe, max_steps=1, lora_rank=4, lora_targets="query")
    assert settings_of(
        recipe, max_steps=1, lora_rank=4, lora_alpha=8.0, lora_targets=["query"]
    ) == (adapted.model_copy(update={"lora_alpha": 8.0}))
    wanted = {"lora_rank": 4, "lora_alpha": 8.0, "lora_dropout": 0.0, "lora_targets": ["query"]}
    assert adapted.recipe() == {**plain.recipe(), "max_steps": 1, **wanted}
    train_student(adapted)
    facts = json.loads((adapted.out / "rankgen.json").read_text())["facts"]
    assert facts.items() >= wanted.items()
    card = (adapted.out / "README.md").read_text()
    assert "trained by LoRA: adapters of rank 4" in card
    assert "| lora_rank | 4 |" in card
    held = load_file(adapted.out / "adapter" / "adapter_model.safetensors")
    assert {
        name.rpartition(".lora_")[0].rpartition(".")[2] for name in held if "lora_" in name
    } == {"query"}
    assert is_adapter(str(adapted.out / "adapter"))
    assert not is_adapter(str(adapted.out))
    pushed = hub_files(adapted.out, "somebody/small")["adapter/adapter_config.json"]
    assert isinstance(pushed, bytes)
    assert json.loads(pushed)["base_model_name_or_path"] == Path(adapted.backbone).name
    with pytest.raises(ValueError, match=r"lora_alpha needs --lora-rank N"):
        TrainSettings.model_validate(recipe | {"lora_alpha": 3.0})
