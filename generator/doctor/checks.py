"""The list of all checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rankgen.generator.doctor.compilers import gather_compilers, judge_compilers
from rankgen.generator.doctor.engine import gather_vllm, judge_vllm
from rankgen.generator.doctor.finding import Finding
from rankgen.generator.doctor.gpus import gpu_findings
from rankgen.generator.doctor.hub import gather_hub, judge_hub
from rankgen.generator.doctor.interpreter import gather_interpreter, judge_interpreter
from rankgen.generator.doctor.java import java_findings
from rankgen.generator.doctor.packages import gather_packages, judge_packages
from rankgen.generator.doctor.processor import gather_processor, judge_processor
from rankgen.generator.doctor.ray_cluster import ray_findings
from rankgen.generator.doctor.room import room_findings
from rankgen.generator.doctor.store import store_findings


@dataclass(frozen=True)
class Examination:
    """The options of `rankgen doctor`.

    Attributes:
        out: The folder for a run.
        ray_address: A cluster to check; None checks only this machine.
        deep: Whether to import vLLM.
    """

    out: str
    ray_address: str | None = None
    deep: bool = False


Check = Callable[[Examination], list[Finding]]


def _gpus_and_compilers(asked: Examination) -> list[Finding]:
    gpus = gpu_findings()
    has_gpu = any(finding.name == "GPU" and finding.status == "ok" for finding in gpus)
    return [
        *gpus,
        *judge_vllm(gather_vllm(has_gpu, asked.deep)),
        *judge_compilers(gather_compilers(has_gpu)),
    ]


CHECKS: tuple[Check, ...] = (
    lambda asked: judge_interpreter(gather_interpreter()),
    lambda asked: judge_processor(gather_processor()),
    lambda asked: room_findings(asked.out),
    lambda asked: judge_packages(gather_packages()),
    lambda asked: java_findings(),
    lambda asked: ray_findings(asked.ray_address),
    _gpus_and_compilers,
    lambda asked: judge_hub(gather_hub()),
    lambda asked: store_findings(asked.out),
)


def examine(asked: Examination) -> list[Finding]:
    """Runs all checks in order."""
    return [finding for check in CHECKS for finding in check(asked)]
