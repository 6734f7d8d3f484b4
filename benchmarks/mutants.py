"""Whether the tests notice what breaks: one fault at a time, each in a copy of the tree.

    python benchmarks/mutants.py [TEXT]        or: make mutants

`mutants.toml` holds the faults and the tests that should notice them; TEXT chooses those whose path
or texts hold it, and then no result is written. A fault that no test notices is a survivor: the
result names it with its explanation, and one without an explanation makes the exit code 1.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

from results_file import write_results

ROOT = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_suffix(".toml")
ROOMS = ("generator", "manifests", "retrieval", "students", "tests", "src")
# One fault made a loop endless, and the list it filled took all memory of the machine.
MOST_BYTES = 4 * 2**30
# Of the processor, which other work on the machine does not change; and by the clock, for one that
# waits for ever.
MOST_CPU_SECONDS = 600
MOST_SECONDS = 1800.0
NICENESS = 10
MOST_AT_A_TIME = 4

Verdict = Literal["passed", "failed", "endless", "died"]


class Mutant(NamedTuple):
    """A fault.

    Attributes:
        path: The file.
        old: What stands there exactly once.
        new: What takes its place.
        tests: Files, or tests of a file; one must fail.
        fault: What the fault is, where it has a name.
        explained: Why no test can notice it; empty where one does.
    """

    path: str
    old: str
    new: str
    tests: tuple[str, ...]
    fault: str = ""
    explained: str = ""

    @property
    def name(self) -> str:
        """The fault in one line."""
        change = f"{' '.join(self.old.split())} -> {' '.join(self.new.split()) or 'nothing'}"
        return f"{self.path}: {self.fault or change}"


def read_mutants(path: Path = LIST) -> list[Mutant]:
    """Reads the list."""
    with path.open("rb") as file:
        files = tomllib.load(file)["file"]
    return [
        Mutant(one["path"], tests=tuple(mutant.pop("tests", one["tests"])), **mutant)
        for one in files
        for mutant in one["mutants"]
    ]


def mutated(mutant: Mutant, text: str) -> str:
    """Returns the text of a file with the fault in it.

    Raises:
        ValueError: What is to be changed does not stand there exactly once.
    """
    if (times := text.count(mutant.old)) != 1:
        raise ValueError(f"{mutant.path} holds this {times} times, not once: {mutant.old!r}")
    return text.replace(mutant.old, mutant.new)


def copy_tree(target: Path) -> None:
    """Copies what the tests need; `src` holds links to its rooms."""
    for room in ROOMS:
        ignored = shutil.ignore_patterns("__pycache__", ".*cache")
        shutil.copytree(ROOT / room, target / room, symlinks=True, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", target)


def try_out(mutant: Mutant) -> Verdict:
    """Puts the fault into a fresh copy and runs its tests there."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder)
        copy_tree(copy)
        path = copy / mutant.path
        path.write_text(mutated(mutant, path.read_text(encoding="utf-8")), encoding="utf-8")
        return run_tests(mutant.tests, copy)


def run_tests(tests: tuple[str, ...], copy: Path) -> Verdict:
    """Runs tests of the copy, with a limit of memory and of time.

    Raises:
        ValueError: pytest could not even begin, so nothing is known of the fault.
    """
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    # The same examples every time, so that a fault is noticed always or never.
    command += ["--hypothesis-profile=ci", "-m", "not slow and not data", f"--basetemp={copy}/tmp"]
    variables = {"PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        [*command, *tests],
        cwd=copy,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=MOST_SECONDS)
        except subprocess.TimeoutExpired:
            return "endless"
        finally:
            _end_group(process.pid)
    if process.returncode > 1:
        raise ValueError(f"pytest ended with {process.returncode}: {output.decode()[-2000:]}")
    if process.returncode < 0:
        return "died"
    return "failed" if process.returncode else "passed"


def _limit_myself() -> None:
    """Limits this process, whose own needs are small, and so all that it starts."""
    os.nice(NICENESS)
    # Not the address space: libraries map much more than they ever use.
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_SECONDS, MOST_CPU_SECONDS))


def _end_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def check_baseline(mutants: list[Mutant]) -> None:
    """Sees that the copy's own code is what is tested, and that its tests pass without a fault.

    Raises:
        SystemExit: One fails.
    """
    tests = tuple(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder)
        copy_tree(copy)
        for path in sorted({mutant.path for mutant in mutants}):
            mutated_text = (copy / path).read_text(encoding="utf-8")
            for mutant in (mutant for mutant in mutants if mutant.path == path):
                mutated(mutant, mutated_text)
        if (verdict := run_tests(tests, copy)) != "passed":
            sys.exit(f"without any fault the tests are: {verdict}")
        broken = copy / mutants[0].path
        broken.write_text("raise ImportError\n", encoding="utf-8")
        try:
            is_tested = run_tests(mutants[0].tests, copy) != "passed"
        except ValueError:  # It could not even be imported.
            is_tested = True
        if not is_tested:
            sys.exit(f"the tests see another {mutants[0].path} than the copy's")


def main() -> None:
    """Tries every fault, and writes the result."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    mutants = [m for m in read_mutants() if wanted in f"{m.name} {m.old} {m.new}"]
    _limit_myself()
    check_baseline(mutants)
    verdicts: dict[str, Verdict] = {}
    began = time.monotonic()
    with ThreadPoolExecutor(min(MOST_AT_A_TIME, os.cpu_count() or 1)) as pool:
        for mutant, verdict in zip(mutants, pool.map(try_out, mutants), strict=True):
            verdicts[mutant.name] = verdict
            print("SURVIVED" if verdict == "passed" else "noticed ", mutant.name, flush=True)
    minutes = round((time.monotonic() - began) / 60, 1)
    survivors = {m.name: m.explained for m in mutants if verdicts[m.name] == "passed"}
    if not wanted:
        write_results(
            "mutants",
            {
                "what": "faults put into a copy of the tree, one at a time, and whether its tests "
                "noticed; a test that ran endlessly or out of memory noticed too",
                "faults": len(verdicts),
                "noticed": len(verdicts) - len(survivors),
                "minutes": minutes,
                "ended_as": dict(sorted(Counter(verdicts.values()).items())),
                "survivors": survivors,
                "noticed_faults": [name for name in verdicts if name not in survivors],
            },
        )
    print(f"{len(verdicts) - len(survivors)} of {len(verdicts)} faults were noticed")
    wrong = [m.name for m in mutants if bool(m.explained) != (verdicts[m.name] == "passed")]
    if wrong:
        sys.exit("survived without an explanation, or explained and noticed: " + "; ".join(wrong))


if __name__ == "__main__":
    main()
