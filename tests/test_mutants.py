"""The list of faults that `make mutants` puts in is alive: each still has its place in the code."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
NAMED = (
    "the journal's key without the teacher",
    "the journal's key without the texts",
    "the journal is never synced",
    "no GPU is reserved for a worker",
    "prompt tokens of a window counted as 0",
    "vLLM is started without the revision",
    "vLLM is started without tensor parallel",
    "the duplicates column holds another count",
    "the status is always complete",
)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        spec = importlib.util.spec_from_file_location("mutants", ROOT / "benchmarks" / "mutants.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "mutants", module)
        spec.loader.exec_module(module)
        return module


def test_every_fault_has_its_one_place_and_its_tests(script: ModuleType) -> None:
    mutants = script.read_mutants()
    assert len(mutants) >= 100
    lost = []
    for mutant in mutants:
        text = (ROOT / mutant.path).read_text(encoding="utf-8")
        try:
            compile(script.mutated(mutant, text), mutant.path, "exec")
        except (ValueError, SyntaxError) as error:
            lost.append(str(error))
        assert all((ROOT / test.partition("::")[0]).is_file() for test in mutant.tests)
    assert not lost, "\n".join(lost)


def test_faults_are_told_apart_and_those_with_a_name_are_there(script: ModuleType) -> None:
    mutants = script.read_mutants()
    names = Counter(mutant.name for mutant in mutants)
    assert [name for name, times in names.items() if times > 1] == []
    assert set(NAMED) <= {mutant.fault for mutant in mutants}


def test_a_fault_is_put_in_once_or_refused(script: ModuleType) -> None:
    mutant = script.Mutant("a.py", "x > 1", "x > 2", ("tests/test_a.py",))
    assert script.mutated(mutant, "if x > 1:\n") == "if x > 2:\n"
    for text in ("if x > 0:\n", "x > 1 or x > 1"):
        with pytest.raises(ValueError, match="times, not once"):
            script.mutated(mutant, text)
