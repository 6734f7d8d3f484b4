"""The CPU: cores, threads, and whether matrix products in bfloat16 are fast."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from rankgen.generator.doctor.finding import Finding
from rankgen.manifests.models.half_precision import WORTHWHILE, speedup

# Names in /proc/cpuinfo -> common names.
ABILITIES = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_bf16": "AVX-512 bf16",
    "amx_bf16": "AMX bf16",
}


@dataclass(frozen=True)
class Processor:
    """The processor, as this process may use it.

    Attributes:
        cores: Number of CPUs that this process may use.
        threads: Number of threads that torch uses; None without torch.
        abilities: Its instruction sets among `ABILITIES`; None if unknown.
        bf16_speed: Speed of a matrix product in bf16 relative to fp32; None without torch.
    """

    cores: int
    threads: int | None
    abilities: tuple[str, ...] | None
    bf16_speed: float | None


def gather_processor() -> Processor:
    """Looks at the processor and times a matrix product (a fraction of a second)."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        import torch
    except ImportError:
        return Processor(cores, None, _abilities(), None)
    return Processor(cores, torch.get_num_threads(), _abilities(), speedup("bfloat16", "cpu"))


def judge_processor(facts: Processor) -> list[Finding]:
    """Judges instructions, threads and bf16."""
    return [_instructions(facts), *_threads(facts), *_bf16(facts.bf16_speed)]


def _instructions(facts: Processor) -> Finding:
    cores = f"{facts.cores} core{'s' if facts.cores > 1 else ''}"
    if facts.abilities is None:
        return Finding("CPU", "ok", cores)
    value = f"{cores}, {', '.join(facts.abilities) or 'no AVX2'}"
    if ABILITIES["avx2"] not in facts.abilities:
        return Finding("CPU", "warn", value, "use a processor with AVX2: this one is very slow")
    return Finding("CPU", "ok", value)


def _threads(facts: Processor) -> list[Finding]:
    if facts.threads is None:
        return []
    if facts.threads > facts.cores:
        value = f"{facts.threads} for {facts.cores} cores"
        return [Finding("threads", "warn", value, "lower OMP_NUM_THREADS, or unset it")]
    return [Finding("threads", "ok", str(facts.threads))]


def _bf16(speed: float | None) -> list[Finding]:
    if speed is None:
        return []
    if speed < 1:
        value = (
            f"slow on this CPU, takes {1 / speed:.1f} times as long as fp32; auto uses fp32 here"
        )
    else:
        chosen = "bf16" if speed >= WORTHWHILE else "fp32"
        value = f"{speed:.1f} times as fast as fp32 on this CPU; auto uses {chosen} here"
    return [Finding("bf16", "ok", value)]


def _abilities() -> tuple[str, ...] | None:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    lines = (line for line in text.splitlines() if line.startswith("flags"))
    flags = set(next(lines, "").partition(":")[2].split())
    # Only x86 processors list these names.
    return tuple(name for flag, name in ABILITIES.items() if flag in flags) if flags else None
