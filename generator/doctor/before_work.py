"""The parts of the examination that concern one command, asked before it starts."""

from __future__ import annotations

from dataclasses import replace

from rankgen.generator.doctor.finding import refuse_failed
from rankgen.generator.doctor.gpus import gpu_findings
from rankgen.generator.doctor.java import java_findings
from rankgen.generator.doctor.room import room_findings


def refuse_idle_gpus(how_to_use_the_cpu: str) -> None:
    """Refuses to work on the CPU by accident: the driver sees GPUs and torch cannot use them.

    Args:
        how_to_use_the_cpu: What to type when the CPU is what is wanted.

    Raises:
        EnvironmentProblem: That is so.
    """
    refuse_failed(
        replace(finding, remedy=f"{finding.remedy}; to compute on the CPU, {how_to_use_the_cpu}")
        for finding in gpu_findings()
    )


def has_idle_gpus() -> bool:
    """Says whether the driver sees GPUs that torch cannot use."""
    return any(finding.status == "fail" for finding in gpu_findings())


def refuse_small_machine(out: str) -> None:
    """Refuses a machine without the memory, the disk or the Java that retrieval needs.

    Args:
        out: Where the run will be written.

    Raises:
        EnvironmentProblem: One of them is lacking.
    """
    refuse_failed([*room_findings(out), *java_findings()])
