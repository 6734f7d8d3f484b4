"""Writes a body, a pooling and a head as the modules that sentence-transformers loads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rankgen.manifests.models.loading_report import quiet_transformers
from rankgen.students.model.pooled_model import PooledModel
from rankgen.students.model.student_model import StudentModel

# The classes' places in sentence-transformers.
_PLACES = {
    "Transformer": "base.modules.transformer",
    "Pooling": "sentence_transformer.modules.pooling",
    "Dense": "base.modules.dense",
    "LayerNorm": "sentence_transformer.modules.layer_norm",
    "Dropout": "sentence_transformer.modules.dropout",
    "Normalize": "base.modules.normalize",
}
_TRANSFORMER = {
    "transformer_task": "feature-extraction",
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
    "module_output_name": "token_embeddings",
}


@dataclass(frozen=True)
class HeadPart:
    """One module of a head: its kind, its settings as they are written, and its layer."""

    kind: str
    settings: Mapping[str, Any]
    layer: torch.nn.Module


def save_modules(
    model: StudentModel, folder: Path, *, pooling: str, parts: Sequence[HeadPart], prompt: str
) -> None:
    """Writes everything but the tokenizer; the score that is loaded again is the logit itself."""
    from safetensors.torch import save_file

    assert isinstance(model, PooledModel)
    with quiet_transformers():
        model.body.save_pretrained(folder)
    width = int(model.config.hidden_size)
    pool = {"embedding_dimension": width, "pooling_mode": pooling}
    pool["include_prompt"] = model.left_out == 0
    kinds = ["Transformer", "Pooling", *(part.kind for part in parts)]
    paths = [f"{number}_{kind}" if number else "" for number, kind in enumerate(kinds)]
    listed = [
        {
            "idx": number,
            "name": str(number),
            "path": path,
            "type": f"sentence_transformers.{_PLACES[kind]}.{kind}",
        }
        for number, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    whole = {
        "model_type": "CrossEncoder",
        # Its default, a sigmoid, ties large scores in 32 bits.
        "activation_fn": "torch.nn.modules.linear.Identity",
        "prompts": {"query": prompt} if prompt else {},
        "default_prompt_name": "query" if prompt else None,
    }
    _write(folder / "modules.json", listed)
    _write(folder / "config_sentence_transformers.json", whole)
    _write(folder / "sentence_bert_config.json", _TRANSFORMER)
    _write(folder / paths[1] / "config.json", pool)
    for path, part in zip(paths[2:], parts, strict=True):
        _write(folder / path / "config.json", part.settings)
        weights = {n: t.detach().cpu().contiguous() for n, t in part.layer.state_dict().items()}
        if weights:
            save_file(weights, folder / path / "model.safetensors", metadata={"format": "pt"})


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
