"""Has colbert-ai index and search on the CPU with the codec that it takes on a GPU."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch


def by_the_codec_of_gpus(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Puts the functions that colbert-ai calls on a GPU in the places of those for the CPU.

    Returns:
        The names of those that are called, filled while it goes.
    """
    from colbert.indexing.codecs import residual
    from colbert.search.index_storage import IndexScorer

    called: list[str] = []

    def packed(bits: torch.Tensor) -> torch.Tensor:
        called.append("packbits")
        return residual.ResidualCodec.packbits(bits)

    def decompressed(
        passages: torch.Tensor, lengths: torch.Tensor, offsets: torch.Tensor, *rest: Any
    ) -> torch.Tensor:
        called.append("decompress_residuals")
        weights, reversed_bit_map, combinations, residuals, codes, *numbers = rest
        spans = [torch.arange(offsets[p], offsets[p] + lengths[p]) for p in passages.tolist()]
        rows = torch.cat(spans)
        tables = weights, reversed_bit_map, combinations, codes[rows]
        return residual.ResidualCodec.decompress_residuals(residuals[rows], *tables, *numbers)

    numpy = SimpleNamespace(asarray=torch.as_tensor, packbits=packed)
    monkeypatch.setattr(residual, "np", numpy)
    monkeypatch.setattr(IndexScorer, "decompress_residuals", staticmethod(decompressed))
    return called
