"""When these fail, colbert-ai works without the changes, and `compat.py` can go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rankgen.retrieval.colbert.compat import import_colbert


def loaded(checkpoint: Path, made: Any) -> Any:
    from colbert.infra import ColBERTConfig

    return made.from_pretrained(str(checkpoint), colbert_config=ColBERTConfig(dim=128))


def test_each_change_is_still_needed(colbert_checkpoint: Path) -> None:
    import_colbert()
    from colbert.modeling.hf_colbert import class_factory

    without_keys = class_factory(str(colbert_checkpoint))
    without_keys._keys_to_ignore_on_load_unexpected = {"cls"}
    with pytest.raises(AttributeError, match="all_tied_weights_keys"):
        loaded(colbert_checkpoint, without_keys)
    without_set = class_factory(str(colbert_checkpoint))
    without_set.all_tied_weights_keys = {}
    with pytest.raises(TypeError):
        loaded(colbert_checkpoint, without_set)


def test_the_patched_model_has_the_checkpoint_s_weights(colbert_checkpoint: Path) -> None:
    import_colbert()
    import torch
    from colbert.infra import ColBERTConfig
    from colbert.modeling.base_colbert import BaseColBERT
    from safetensors.torch import load_file

    config = ColBERTConfig(checkpoint=str(colbert_checkpoint), model_name=None)
    weights = BaseColBERT(str(colbert_checkpoint), config).model.state_dict()
    saved = load_file(colbert_checkpoint / "model.safetensors")
    assert len(weights) > 100
    for name, tensor in weights.items():
        assert torch.equal(tensor.cpu(), saved[name]), name
