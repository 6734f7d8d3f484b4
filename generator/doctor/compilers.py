"""Compilers, which torch and vLLM need on a GPU machine, and ColBERT's extensions everywhere."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from rankgen.generator.doctor.finding import Finding

_SECONDS = 5
_FOR_C = "apt install gcc g++ python3-dev (or your system's packages of the same kind)"


@dataclass(frozen=True)
class Compilers:
    """The compilers of this machine, and what needs them.

    Attributes:
        c: The C compiler's path; None without one.
        has_headers: Whether Python.h exists.
        has_gpu: Whether torch uses a GPU here.
        has_colbert: Whether colbert-ai is installed.
        nvcc: Release of CUDA's compiler, major and minor; None without one.
        runtime: Release of the CUDA headers and libraries of torch; None without them.
    """

    c: str | None
    has_headers: bool
    has_gpu: bool
    has_colbert: bool
    nvcc: tuple[int, int] | None
    runtime: tuple[int, int] | None


def gather_compilers(has_gpu: bool) -> Compilers:
    """Looks for compilers in the places where torch does."""
    names = [os.environ.get("CC"), "cc", "gcc", "clang"]
    c = next((path for name in names if name and (path := shutil.which(name))), None)
    headers = Path(sysconfig.get_paths()["include"], "Python.h").is_file()
    has_colbert = _release("colbert-ai") is not None
    runtime = next(
        (
            found
            for name in ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu12")
            if (found := _release(name)) is not None
        ),
        None,
    )
    nvcc = _nvcc_release() if has_gpu else None
    return Compilers(c, headers, has_gpu, has_colbert, nvcc, runtime)


def judge_compilers(facts: Compilers) -> list[Finding]:
    """Judges the C compiler with Python's headers, and nvcc."""
    return [_judge_c(facts), _judge_nvcc(facts)]


def _judge_c(facts: Compilers) -> Finding:
    lacking = [
        what
        for what, there in (("C compiler", facts.c), ("Python.h", facts.has_headers))
        if not there
    ]
    if not lacking:
        return Finding("C compiler", "ok", f"{facts.c}, with Python.h")
    value = f"no {' and no '.join(lacking)}"
    if facts.has_gpu:
        return Finding("C compiler", "fail", f"{value}: vLLM compiles on a GPU", _FOR_C)
    if facts.has_colbert:
        return Finding("C compiler", "warn", f"{value}: --retriever colbert compiles", _FOR_C)
    return Finding("C compiler", "not needed", value)


def _judge_nvcc(facts: Compilers) -> Finding:
    if not (facts.has_gpu and facts.has_colbert):
        why = "only ColBERT on a GPU compiles with it"
        return Finding("nvcc", "not needed", why)
    remedy = "install the CUDA toolkit of torch's CUDA release, and set CUDA_HOME to it"
    if facts.nvcc is None:
        value = "not found in CUDA_HOME, PATH or /usr/local/cuda: --retriever colbert needs it"
        return Finding("nvcc", "warn", value, remedy)
    release = f"{facts.nvcc[0]}.{facts.nvcc[1]}"
    if facts.runtime is not None and facts.nvcc != facts.runtime:
        value = f"{release}, but torch has CUDA headers of {facts.runtime[0]}.{facts.runtime[1]}"
        return Finding("nvcc", "warn", f"{value}: --retriever colbert cannot compile", remedy)
    return Finding("nvcc", "ok", release)


def _nvcc_release() -> tuple[int, int] | None:
    homes = [os.environ.get("CUDA_HOME"), "/usr/local/cuda"]
    named = [str(Path(home, "bin", "nvcc")) for home in homes if home]
    for program in (named[0], "nvcc", named[-1]):
        path = shutil.which(program)
        if path is not None:
            return _asked_release(path)
    return None


def _asked_release(program: str) -> tuple[int, int] | None:
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_SECONDS
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"release (\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else None


def _release(distribution: str) -> tuple[int, int] | None:
    try:
        numbers = importlib.metadata.version(distribution).split(".")
    except importlib.metadata.PackageNotFoundError:
        return None
    return (int(numbers[0]), int(numbers[1]))
