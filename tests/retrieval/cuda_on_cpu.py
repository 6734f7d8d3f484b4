"""Runs the CUDA kernels that colbert-ai has for its codec on the CPU, thread by thread.

The text of the kernels is colbert-ai's own, compiled as C++; only what launches them is written
anew, with the numbers of blocks and threads that colbert-ai gives.
"""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import torch
from torch import Tensor

# What the kernels take from CUDA and from PyTorch. A vote of 32 threads is taken in a first round,
# in which its result is not known yet, and read in a second one.
AROUND = """
#include <assert.h>
#include <stdint.h>
#include <c10/util/Half.h>
#define __global__ static
struct Place { int x; };
static Place blockIdx, threadIdx, blockDim;
static uint32_t votes;
static uint32_t __ballot_sync(uint32_t, int vote) {
    votes |= uint32_t(vote != 0) << threadIdx.x;
    return votes;
}
static uint32_t __brev(uint32_t from) {
    uint32_t to = 0;
    for (int bit = 0; bit < 32; bit++) to |= ((from >> bit) & 1u) << (31 - bit);
    return to;
}
namespace at { using c10::Half; }
namespace torch {
template <class T> struct RestrictPtrTraits {};
template <class T, int dims, template <class> class traits> struct PackedTensorAccessor32;
template <class T, template <class> class traits> struct PackedTensorAccessor32<T, 1, traits> {
    T* data;
    T operator[](int row) const { return data[row]; }
};
template <class T, template <class> class traits> struct PackedTensorAccessor32<T, 2, traits> {
    T* data;
    int width;
    const T* operator[](int row) const { return data + row * width; }
};
}
"""
LAUNCHES = """
extern "C" void packbits(const uint8_t* bits, uint8_t* packed, int size) {
    blockDim.x = 32;
    for (blockIdx.x = 0; blockIdx.x < (size + 31) / 32; blockIdx.x++) {
        votes = 0;
        for (int round = 0; round < 2; round++)
            for (threadIdx.x = 0; threadIdx.x < 32; threadIdx.x++)
                packbits_kernel(bits, packed, size);
    }
}
extern "C" void decompress(
    const uint8_t* residuals, at::Half* weights, uint8_t* reversed, uint8_t* combinations,
    int* codes, at::Half* centroids, int n, int dim, int nbits, at::Half* output) {
    const int threads = dim / (8 / nbits);
    for (blockIdx.x = 0; blockIdx.x < n; blockIdx.x++)
        for (threadIdx.x = 0; threadIdx.x < threads; threadIdx.x++)
            decompress_residuals_kernel(
                residuals, {weights}, {reversed}, {combinations, 8 / nbits}, {codes},
                {centroids, dim}, n, dim, nbits, 8, output);
}
"""


class CudaOnCpu:
    """colbert-ai's two kernels.

    Args:
        package: The folder of colbert-ai's package.
        folder: Where to compile.
    """

    def __init__(self, package: Path, folder: Path) -> None:
        kernels = [_kernel(package / f"indexing/codecs/{name}.cu") for name in KERNELS]
        source, library = folder / "kernels.cpp", folder / "kernels.so"
        source.write_text("\n".join([AROUND, *kernels, LAUNCHES]), encoding="utf-8")
        include = Path(torch.__file__).parent / "include"
        options = ["-O1", "-std=c++20", "-shared", "-fPIC", f"-I{include}"]
        subprocess.run(["g++", *options, str(source), "-o", str(library)], check=True)
        self._library = ctypes.CDLL(str(library))

    def packbits(self, bits: Tensor) -> Tensor:
        packed = torch.zeros(len(bits) // 8, dtype=torch.uint8)
        self._library.packbits(_at(bits), _at(packed), len(bits))
        return packed

    def decompress(
        self,
        residuals: Tensor,
        weights: Tensor,
        reversed_bit_map: Tensor,
        combinations: Tensor,
        codes: Tensor,
        centroids: Tensor,
        dim: int,
        nbits: int,
    ) -> Tensor:
        output = torch.zeros(len(residuals), dim, dtype=torch.float16)
        tables = (weights, reversed_bit_map, combinations, codes, centroids)
        self._library.decompress(
            _at(residuals), *map(_at, tables), len(residuals), dim, nbits, _at(output)
        )
        return output


KERNELS = ("packbits", "decompress_residuals")


def _kernel(path: Path) -> str:
    text = path.read_text(encoding="utf-8").partition("\ntorch::Tensor ")[0]
    assert "__global__ void" in text
    return "\n".join(line for line in text.splitlines() if not line.startswith("#include"))


def _at(tensor: Tensor) -> ctypes.c_void_p:
    assert tensor.is_contiguous()
    return ctypes.c_void_p(tensor.data_ptr())
