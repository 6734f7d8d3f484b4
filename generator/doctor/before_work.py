"""The checks that a command runs before it starts."""

from __future__ import annotations

from dataclasses import replace

from rankgen.generator.doctor.finding import refuse_failed
from rankgen.generator.doctor.gpus import gpu_findings
from rankgen.generator.doctor.java import java_findings
from rankgen.generator.doctor.room import room_findings


def refuse_idle_gpus(how_to_use_the_cpu: str) -> None:
    """Refuses to compute on the CPU by accident, if torch cannot use the GPUs of the machine.

    Args:
        how_to_use_the_cpu: What to do to use the CPU on purpose, for the hint.

    Raises:
        EnvironmentProblem: torch cannot use the GPUs.
    """
    refuse_failed(
        replace(finding, remedy=f"{finding.remedy}; to compute on the CPU, {how_to_use_the_cpu}")
        for finding in gpu_findings()
    )


def has_idle_gpus() -> bool:
    """Says whether the machine has GPUs that torch cannot use."""
    return any(finding.status == "fail" for finding in gpu_findings())


def refuse_small_machine(out: str) -> None:
    """Refuses a machine without the memory, disk space or Java that retrieval needs.

    Raises:
        EnvironmentProblem: One of them is missing.
    """
    refuse_failed([*room_findings(out), *java_findings()])
