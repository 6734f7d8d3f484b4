"""The GPUs that the NVIDIA driver reports, and whether torch can use them."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

from rankgen.generator.doctor.finding import Finding

GIB = 1 << 30
# The fraction of a GPU's memory that vLLM uses by default.
VLLM_SHARE = 0.9
# The oldest driver for each major release of CUDA.
OLDEST_DRIVERS = {12: 525, 13: 580}


@dataclass(frozen=True)
class Gpu:
    """A GPU, as described by the driver.

    Attributes:
        name: The model.
        memory: Total memory in bytes.
        free: Free memory in bytes.
        capability: Compute capability, major and minor.
    """

    name: str
    memory: int
    free: int
    capability: tuple[int, int]


@dataclass(frozen=True)
class Driver:
    """NVIDIA's driver.

    Attributes:
        release: Its release, such as "570.86.15".
        cuda: The newest CUDA that it supports, major and minor.
        gpus: The GPUs that it reports.
    """

    release: str
    cuda: tuple[int, int]
    gpus: tuple[Gpu, ...]


@dataclass(frozen=True)
class TorchBuild:
    """The build of torch.

    Attributes:
        version: Its version, such as "2.13.0+cpu".
        cuda: The CUDA that it was built for; None for a CPU build.
        architectures: The GPU architectures in the build, such as "sm_90".
        gpus: Number of GPUs that it can use.
    """

    version: str
    cuda: tuple[int, int] | None
    architectures: tuple[str, ...]
    gpus: int


@dataclass(frozen=True)
class Gpus:
    """Driver, torch and their settings.

    Attributes:
        driver: NVIDIA's driver; None without one.
        torch: The build of torch; None without torch.
        is_hidden: Whether CUDA_VISIBLE_DEVICES hides all GPUs on purpose.
        has_varlen: Whether torch supports attention over packed lists.
    """

    driver: Driver | None
    torch: TorchBuild | None
    is_hidden: bool
    has_varlen: bool


def gather_gpus() -> Gpus:
    """Asks the driver first; imports torch only if there is a GPU."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    driver = _driver()
    has_torch = importlib.util.find_spec("torch") is not None
    if driver is None or not driver.gpus or not has_torch:
        return Gpus(driver, None, hidden, has_varlen=False)
    return Gpus(driver, _torch_build(), hidden, _has_varlen())


def judge_gpus(facts: Gpus) -> list[Finding]:
    """Judges the driver, torch's build, every GPU and the attention that packing needs."""
    driver, torch = facts.driver, facts.torch
    if driver is None or not driver.gpus:
        return [Finding("GPU", "not needed", "no NVIDIA GPU here")]
    seen = f"{len(driver.gpus)} ({driver.gpus[0].name}), driver {driver.release}"
    if facts.is_hidden:
        return [Finding("GPU", "not needed", f"{seen}, hidden by CUDA_VISIBLE_DEVICES")]
    if torch is None:
        return [Finding("GPU", "not needed", f"{seen}; torch is not installed")]
    unusable = _unusable(driver, torch, seen)
    if unusable is not None:
        return [unusable]
    cuda = _dotted(torch.cuda)
    found = [Finding("GPU", "ok", f"{seen}, torch {torch.version} for CUDA {cuda}")]
    found += [finding for n, gpu in enumerate(driver.gpus) for finding in _one(n, gpu, torch)]
    if not facts.has_varlen:
        value = f"torch {torch.version} lacks torch.nn.attention.varlen: lists are padded"
        found.append(Finding("packed attention", "warn", value, "install torch 2.13 or newer"))
    else:
        found.append(Finding("packed attention", "ok", "torch.nn.attention.varlen"))
    return found


def gpu_findings() -> list[Finding]:
    """Gathers and judges the GPUs."""
    return judge_gpus(gather_gpus())


def _unusable(driver: Driver, torch: TorchBuild, seen: str) -> Finding | None:
    if torch.cuda is None:
        value = f"{seen}, but torch {torch.version} is a build for CPUs"
        return Finding(
            "GPU", "fail", value, "make clean-venv, then make LOCK=requirements/gpu.lock"
        )
    if driver.cuda[0] < torch.cuda[0]:
        oldest = OLDEST_DRIVERS.get(torch.cuda[0])
        value = (
            f"{seen}, knows CUDA {_dotted(driver.cuda)}, but torch {torch.version} was built for "
            f"CUDA {_dotted(torch.cuda)}"
        )
        newer = f"driver {oldest} or newer" if oldest else "a newer driver"
        return Finding("GPU", "fail", value, f"install {newer}, or NVIDIA's package cuda-compat")
    if torch.gpus == 0:
        value = f"{seen}, but torch {torch.version} sees none"
        remedy = (
            "check CUDA_VISIBLE_DEVICES, and in a container that it was started with --gpus all; "
            'python -c "import torch; torch.cuda.init()" says why'
        )
        return Finding("GPU", "fail", value, remedy)
    return None


def _one(number: int, gpu: Gpu, torch: TorchBuild) -> Iterator[Finding]:
    name = f"GPU {number}"
    needed = f"sm_{gpu.capability[0]}{gpu.capability[1]}"
    if not _runs_on(gpu.capability, torch.architectures):
        value = f"{gpu.name} is {needed}, torch {torch.version} has {' '.join(torch.architectures)}"
        remedy = "use another GPU, or set CUDA_VISIBLE_DEVICES= to use none"
        yield Finding(name, "fail", value, remedy)
        return
    value = f"{gpu.name}, {needed}, {gpu.free / GIB:.1f} GiB free of {gpu.memory / GIB:.1f}"
    if gpu.free < VLLM_SHARE * gpu.memory:
        remedy = "end other programs on it (see nvidia-smi): vLLM wants nine tenths of its memory"
        yield Finding(name, "warn", value, remedy)
    else:
        yield Finding(name, "ok", value)


def _runs_on(capability: tuple[int, int], architectures: tuple[str, ...]) -> bool:
    """Says whether the build has code for a GPU: of its generation, and not for a later GPU."""
    for name in architectures:
        kind, _, digits = name.partition("_")
        digits = digits.rstrip("af")
        if not digits.isdigit():
            continue
        built = int(digits[:-1]), int(digits[-1])
        # PTX is compiled at run time for any later GPU.
        fits = built[0] == capability[0] or kind == "compute"
        if fits and built <= capability:
            return True
    return False


def _driver() -> Driver | None:
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    nvml = _nvml()
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    try:
        cuda = int(nvml.nvmlSystemGetCudaDriverVersion_v2())
        handles = [nvml.nvmlDeviceGetHandleByIndex(n) for n in range(nvml.nvmlDeviceGetCount())]
        gpus = tuple(_gpu(nvml, handle) for handle in handles)
        return Driver(
            _text(nvml.nvmlSystemGetDriverVersion()), (cuda // 1000, cuda % 1000 // 10), gpus
        )
    except nvml.NVMLError:
        return None
    finally:
        with contextlib.suppress(nvml.NVMLError):
            nvml.nvmlShutdown()


def _gpu(nvml: ModuleType, handle: object) -> Gpu:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
    name = _text(nvml.nvmlDeviceGetName(handle))
    return Gpu(name, int(memory.total), int(memory.free), (int(major), int(minor)))


def _nvml() -> ModuleType:
    """Returns NVIDIA's own module, or Ray's copy of it."""
    with contextlib.suppress(ImportError):
        return importlib.import_module("pynvml")
    return importlib.import_module("ray._private.thirdparty.pynvml")


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _torch_build() -> TorchBuild:
    import torch

    cuda = torch.version.cuda
    parts = tuple(int(part) for part in cuda.split(".")[:2]) if cuda else None
    built = None if parts is None else (parts[0], parts[1])
    # Both warn about an old driver, which the finding reports itself.
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
        architectures = tuple(torch.cuda.get_arch_list()) if seen else ()
    return TorchBuild(str(torch.__version__), built, architectures, seen)


def _has_varlen() -> bool:
    with contextlib.suppress(ImportError):
        return importlib.util.find_spec("torch.nn.attention.varlen") is not None
    return False


def _dotted(version: tuple[int, int] | None) -> str:
    return "none" if version is None else f"{version[0]}.{version[1]}"
