"""The Python interpreter and its C library."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass

from rankgen.generator.doctor.finding import Finding

OLDEST, NEWEST = (3, 11), (3, 13)
# Required by vLLM's wheels.
OLDEST_GLIBC = (2, 31)


@dataclass(frozen=True)
class Interpreter:
    """The interpreter of this process.

    Attributes:
        version: Major, minor and micro number.
        program: Its path.
        glibc: Version of the GNU C library; None on other systems.
    """

    version: tuple[int, int, int]
    program: str
    glibc: tuple[int, int] | None


def gather_interpreter() -> Interpreter:
    """Looks at this process."""
    library, release = platform.libc_ver()
    numbers = [int(part) for part in release.split(".")[:2] if part.isdigit()]
    glibc = (numbers[0], numbers[1]) if library == "glibc" and len(numbers) == 2 else None
    return Interpreter(sys.version_info[:3], sys.executable, glibc)


def judge_interpreter(facts: Interpreter) -> list[Finding]:
    """Judges the interpreter and its C library."""
    return [_python(facts), *_library(facts.glibc)]


def _python(facts: Interpreter) -> Finding:
    value = f"{'.'.join(map(str, facts.version))} ({facts.program})"
    wanted = f"{_dotted(OLDEST)} to {_dotted(NEWEST)}"
    remedy = f"use Python {wanted}: make PYTHON=python{_dotted(NEWEST)}"
    if facts.version[:2] < OLDEST:
        return Finding("Python", "fail", value, remedy)
    if facts.version[:2] > NEWEST:
        return Finding("Python", "warn", f"{value}, newer than tested", remedy)
    return Finding("Python", "ok", value)


def _library(glibc: tuple[int, int] | None) -> list[Finding]:
    if glibc is None:
        return []
    if glibc < OLDEST_GLIBC:
        remedy = "use a newer system or a container to label with vLLM; the rest works here"
        value = f"glibc {_dotted(glibc)}, but vLLM needs {_dotted(OLDEST_GLIBC)} or newer"
        return [Finding("C library", "warn", value, remedy)]
    return [Finding("C library", "ok", f"glibc {_dotted(glibc)}")]


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
