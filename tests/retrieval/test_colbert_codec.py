"""The codec without a compiler: to the bit what colbert-ai's C++ and its CUDA kernels give."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from cuda_on_cpu import CudaOnCpu
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from rankgen.retrieval.colbert.codec import decompress_residuals, packbits
from rankgen.retrieval.colbert.compat import import_colbert
from rankgen.retrieval.colbert.extensions import use_own_extensions

# The first test of a machine compiles colbert-ai's C++.
pytestmark = pytest.mark.timeout(1200)
DIM, CENTROIDS, VECTORS = 128, 40, 700
ALL_BITS = [1, 2, 4, 8]


@pytest.fixture(scope="module")
def package() -> Path:
    import_colbert()
    use_own_extensions()
    import colbert

    return Path(next(iter(colbert.__path__)))


@pytest.fixture(scope="module")
def cuda(package: Path, tmp_path_factory: pytest.TempPathFactory) -> CudaOnCpu:
    return CudaOnCpu(package, tmp_path_factory.mktemp("kernels"))


def codec_of(nbits: int, dtype: torch.dtype) -> Any:
    """colbert-ai's own codec over drawn centroids and buckets, its numbers as on a GPU."""
    from colbert.indexing.codecs.residual import ResidualCodec
    from colbert.infra import ColBERTConfig

    drawn = torch.Generator().manual_seed(nbits)
    centroids = torch.randn(CENTROIDS, DIM, generator=drawn)
    weights = torch.randn(2**nbits, generator=drawn).sort().values / 8
    cutoffs = (weights[1:] + weights[:-1]) / 2
    config = ColBERTConfig(nbits=nbits, dim=DIM)
    codec = ResidualCodec(config, centroids, 0.1, cutoffs, weights)
    codec.centroids, codec.bucket_weights = centroids.to(dtype), weights.to(dtype)
    return codec


def drawn_vectors(nbits: int) -> tuple[Tensor, Tensor]:
    drawn = torch.Generator().manual_seed(100 + nbits)
    residuals = torch.randint(0, 256, (VECTORS, DIM * nbits // 8), generator=drawn)
    codes = torch.randint(0, CENTROIDS, (VECTORS,), generator=drawn)
    return residuals.to(torch.uint8), codes.to(torch.int32)


def decompressed(function: Any, codec: Any, residuals: Tensor, codes: Tensor) -> Tensor:
    tables = codec.bucket_weights, codec.reversed_bit_map, codec.decompression_lookup_table
    found: Tensor = function(residuals, *tables, codes, codec.centroids, codec.dim, codec.nbits)
    return found


@pytest.mark.parametrize("nbits", ALL_BITS)
def test_vectors_are_those_of_the_c_of_colbert_ai(package: Path, nbits: int) -> None:
    from colbert.search.index_storage import IndexScorer

    IndexScorer.try_load_torch_extensions(False)
    codec, (residuals, codes) = codec_of(nbits, torch.float32), drawn_vectors(nbits)
    lengths = torch.tensor([VECTORS - 300, 0, 300])
    offsets = torch.tensor([0, VECTORS - 300, VECTORS - 300])
    expected = IndexScorer.decompress_residuals(
        torch.tensor([0, 1, 2], dtype=torch.int32),
        lengths,
        offsets,
        codec.bucket_weights,
        codec.reversed_bit_map,
        codec.decompression_lookup_table,
        residuals,
        codes,
        codec.centroids,
        DIM,
        nbits,
    )
    found = decompressed(decompress_residuals, codec, residuals, codes)
    assert found.shape == (VECTORS, DIM)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("nbits", ALL_BITS)
def test_vectors_are_those_of_the_cuda_kernel(cuda: CudaOnCpu, nbits: int) -> None:
    codec, (residuals, codes) = codec_of(nbits, torch.float16), drawn_vectors(nbits)
    found = decompressed(decompress_residuals, codec, residuals, codes)
    expected = decompressed(cuda.decompress, codec, residuals, codes)
    assert found.dtype == torch.float16
    assert found.std() > 0.5
    assert torch.equal(found.view(torch.int16), expected.view(torch.int16))


def test_bits_are_packed_as_by_numpy_and_by_the_cuda_kernel(cuda: CudaOnCpu) -> None:
    drawn = torch.Generator().manual_seed(0)
    for size in (32, 4096, 32 * 77):
        bits = torch.randint(0, 2, (size,), generator=drawn, dtype=torch.uint8)
        packed = packbits(bits)
        assert packed.dtype == torch.uint8
        assert np.array_equal(packed.numpy(), np.packbits(bits.numpy()))
        assert torch.equal(packed, cuda.packbits(bits))
    # Anything but 0 is a one.
    odd = torch.randint(0, 256, (256,), generator=drawn, dtype=torch.uint8) & 0xF0
    assert torch.equal(packbits(odd), cuda.packbits(odd))


@pytest.mark.parametrize("nbits", ALL_BITS)
def test_the_codec_packs_what_it_can_read(
    package: Path, nbits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from colbert.indexing.codecs import residual

    codec = codec_of(nbits, torch.float32)
    residuals = torch.randn(50, DIM, generator=torch.Generator().manual_seed(3)) / 8
    expected = codec.binarize(residuals)
    numpy = SimpleNamespace(asarray=torch.as_tensor, packbits=packbits)
    monkeypatch.setattr(residual, "np", numpy)
    assert torch.equal(codec.binarize(residuals), expected)
    buckets = torch.bucketize(residuals, codec.bucket_cutoffs)
    codes = torch.zeros(50, dtype=torch.int32)
    found = decompressed(decompress_residuals, codec, expected, codes)
    assert torch.equal(found, codec.bucket_weights[buckets] + codec.centroids[codes.long()])


def test_on_a_gpu_all_stays_there() -> None:
    with FakeTensorMode():

        def there(*size: int, dtype: torch.dtype = torch.uint8) -> Tensor:
            return torch.empty(*size, dtype=dtype, device="cuda")

        packed = packbits(there(VECTORS * DIM * 2))
        found = decompress_residuals(
            there(VECTORS, DIM // 4),
            there(4, dtype=torch.float16),
            there(256),
            there(256, 4),
            there(VECTORS, dtype=torch.int32),
            there(CENTROIDS, DIM, dtype=torch.float16),
            DIM,
            2,
        )
    assert (packed.device.type, packed.dtype, len(packed)) == ("cuda", torch.uint8, VECTORS * 32)
    assert (found.device.type, found.dtype, *found.shape) == ("cuda", torch.float16, VECTORS, DIM)


def test_colbert_ai_compiles_nothing_on_a_gpu(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from colbert.indexing.codecs import residual
    from colbert.modeling import colbert as model
    from colbert.search import index_storage, strided_tensor

    compiled = []
    classes = {
        residual: residual.ResidualCodec,
        model: model.ColBERT,
        index_storage: index_storage.IndexScorer,
        strided_tensor: strided_tensor.StridedTensor,
    }
    for module, extended in classes.items():
        monkeypatch.setattr(module, "load", lambda name, **_: compiled.append(name))
        extended.try_load_torch_extensions(True)
    assert compiled == []
    assert residual.ResidualCodec.packbits is packbits
    assert residual.ResidualCodec.decompress_residuals is decompress_residuals
    # Nothing else of the package compiles anything.
    loading = {path for path in package.rglob("*.py") if "cpp_extension" in path.read_text()}
    assert loading == {Path(str(module.__file__)) for module in classes}
    kernels = {path.name for path in package.rglob("*.cu")}
    assert kernels == {"packbits.cu", "decompress_residuals.cu"}
