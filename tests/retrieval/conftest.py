"""A small ColBERT, and passages to index."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_colbert import write_small_colbert

from rankgen.retrieval.cache import cache_root

SUBJECTS = ["the red fox", "a quiet river", "the old engine", "a tall tree", "the young judge"]
DEEDS = ["crosses the bridge", "sleeps in winter", "needs more oil", "grows near water"]
TIMES = ["at dawn", "after the storm", "every second year", "while nobody looks"]


@pytest.fixture(scope="session")
def colbert_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("colbert") / "checkpoint"
    write_small_colbert(folder)
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
