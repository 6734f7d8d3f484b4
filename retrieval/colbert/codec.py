"""The two CUDA functions of colbert-ai's codec, written in PyTorch operations.

colbert-ai compiles them with nvcc as soon as it sees a GPU. That needs the CUDA toolkit of
PyTorch's release, and a build that is killed leaves a lock that every later process waits for
forever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

BITS_A_BYTE = 8


def use_torch_codec() -> None:
    """Makes colbert-ai use the functions below, so that it does not compile any for a GPU."""
    from colbert.indexing.codecs.residual import ResidualCodec

    ResidualCodec.packbits = staticmethod(packbits)
    ResidualCodec.decompress_residuals = staticmethod(decompress_residuals)
    # Tells colbert-ai that its extensions are loaded.
    ResidualCodec.loaded_extensions = True


def packbits(bits: Tensor) -> Tensor:
    """Packs eight bits into a byte, the first one highest, as colbert-ai's packbits.cu does.

    Args:
        bits: Bytes, each zero or not, shape (n,), n a multiple of 8.

    Returns:
        uint8 on the same device, shape (n / 8,).
    """
    import torch

    places = torch.arange(BITS_A_BYTE - 1, -1, -1, dtype=torch.uint8, device=bits.device)
    ones = (bits.view(-1, BITS_A_BYTE) != 0).to(torch.uint8)
    return (ones << places).sum(dim=1, dtype=torch.uint8)


def decompress_residuals(
    residuals: Tensor,
    bucket_weights: Tensor,
    reversed_bit_map: Tensor,
    combinations: Tensor,
    codes: Tensor,
    centroids: Tensor,
    dim: int,
    nbits: int,
) -> Tensor:
    """Returns centroids plus residuals, as colbert-ai's decompress_residuals.cu does.

    Args:
        residuals: Packed residuals, uint8, shape (n, dim * nbits / 8).
        bucket_weights: The value of each bucket, shape (2 ** nbits,).
        reversed_bit_map: Each byte with the bits of its `8 / nbits` parts reversed, shape (256,).
        combinations: The buckets that a byte encodes, uint8, shape (256, 8 / nbits).
        codes: The centroid of each vector, int32, shape (n,).
        centroids: The centroids, in the weights' type, shape (centroids, dim).
        dim: Width of a vector.
        nbits: Bits per dimension of a residual.

    Returns:
        Vectors in the weights' type, on the same device, shape (n, dim).
    """
    from torch.nn.functional import embedding

    del nbits  # The shape of `combinations` implies it.
    buckets = combinations.index_select(0, reversed_bit_map.int())
    # Look up all values of a byte at once: one gather per byte of a vector.
    values = bucket_weights.take(buckets.long())
    return embedding(residuals.int(), values).view(-1, dim) + centroids.index_select(0, codes)
