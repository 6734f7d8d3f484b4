"""Which weights `--frozen-layers` keeps, in models whose embeddings have names of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from adapted import backbone

from rankgen.manifests.errors import UsageError
from rankgen.students.model.loading import load_backbone
from rankgen.students.training.optimizer import freeze_lowest


@pytest.mark.parametrize("kind", ["qwen3-reranker", "monot5"])
def test_embeddings_are_frozen_with_the_lowest_layers(
    kind: str, minilm: str, tmp_path: Path
) -> None:
    source = str(backbone(kind, tmp_path, minilm))
    encoder = load_backbone(source, seed=1, query_tokens=8, passage_tokens=16, dropout=None)
    freeze_lowest(encoder, 1)
    moved = {name for name, weight in encoder.model.named_parameters() if weight.requires_grad}
    kept = {name for name, _ in encoder.model.named_parameters()} - moved
    assert any("embed_tokens" in name or "shared" in name for name in kept)
    assert not any("embed_tokens" in name or "shared" in name for name in moved)
    assert any(".0." in name for name in kept)
    assert any(".1." in name for name in moved)
    with pytest.raises(UsageError, match="9 layers cannot be frozen: the backbone has 2 numbered"):
        freeze_lowest(encoder, 9)
