"""The CUDA compiler that the GPU lock brings compiles with the CUDA headers that it brings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from locks import pins_of
from packaging.utils import canonicalize_name

# CUB's headers refuse a compiler of another CUDA release than the runtime's headers.
KERNEL = """
#include <cub/block/block_scan.cuh>
#include <cuda_fp16.h>
__global__ void doubled(float* values) { values[threadIdx.x] *= 2; }
"""


@pytest.mark.parametrize("part", ["nvcc", "crt", "cccl", "nvrtc"])
def test_the_compiler_is_of_the_release_of_the_headers(part: str) -> None:
    pins = pins_of("gpu.lock")
    headers = pins[canonicalize_name("nvidia-cuda-runtime")]
    assert pins[canonicalize_name(f"nvidia-cuda-{part}")].release[:2] == headers.release[:2]


def test_the_code_generator_is_the_compilers() -> None:
    pins = pins_of("gpu.lock")
    nvcc = pins[canonicalize_name("nvidia-cuda-nvcc")]
    assert pins[canonicalize_name("nvidia-nvvm")] == nvcc
    assert pins[canonicalize_name("nvidia-cuda-crt")] == nvcc


def find_nvcc() -> str | None:
    """The environment's own compiler, else that of CUDA_HOME, else the machine's."""
    home = os.environ.get("CUDA_HOME")
    candidates = [Path(sysconfig.get_path("purelib"), "nvidia/cu13/bin/nvcc")]
    candidates += [Path(home, "bin/nvcc")] if home else []
    for candidate in candidates:
        if candidate.is_file():
            return str(candidate)
    return shutil.which("nvcc")


def test_the_compiler_takes_the_headers(tmp_path: Path) -> None:
    nvcc = find_nvcc()
    if nvcc is None:
        pytest.skip("no nvcc here: that the CUDA compiler takes its headers was not tried")
    kernel = tmp_path / "kernel.cu"
    kernel.write_text(KERNEL, encoding="utf-8")
    done = subprocess.run(
        [nvcc, "-E", "-arch=sm_90a", str(kernel)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "values[threadIdx.x] *= 2" in done.stdout
