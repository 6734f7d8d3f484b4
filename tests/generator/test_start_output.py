"""The cause of a failed start, read back from what the engine's processes wrote."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError, field_validator

from rankgen.generator.engines.vllm.start_output import StartOutput, last_error
from rankgen.generator.engines.vllm.start_problem import start_hint, start_problem

LOG = """\
(EngineCore pid=7) ERROR 11-25 10:00:00 [core.py:1] Traceback (most recent call last):
(EngineCore pid=7) ERROR 11-25 10:00:00 [core.py:1]   File "x.py", line 3, in load
(EngineCore pid=7) ERROR 11-25 10:00:00 [core.py:1] some_lib.BrokenFileError: half of it is gone
(Worker pid=9) WARNING 11-25 10:00:01 [gpu.py:5] Error: is no class
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""

SCRIPT = """
import subprocess, sys
print("ValueError: of an earlier start")
sys.stdout.flush()
from rankgen.generator.engines.vllm.start_output import StartOutput
from rankgen.generator.engines.vllm.start_problem import start_problem
began = StartOutput.begin()
subprocess.run([sys.executable, "-c", "raise MemoryError('no room for the model')"])
problem = start_problem("m", RuntimeError("Engine core initialization failed. See above"), began)
open(sys.argv[1], "w").write(problem.message + "|" + problem.hint)
"""


def test_the_childs_error_is_the_cause_and_not_the_parents() -> None:
    assert last_error(LOG) == "some_lib.BrokenFileError: half of it is gone"
    assert last_error("all is well\nTraceback (most recent call last):\n") is None
    assert last_error("ValueError: " + "x" * 900) == "ValueError: " + "x" * 288


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_a_child_writes_is_found_in_the_log(tmp_path: Path, stream: str) -> None:
    log, told = tmp_path / "worker.err", tmp_path / "told"
    with log.open("w") as output, (tmp_path / "worker.out").open("w") as other:
        streams = {"stdout": other, "stderr": output}
        if stream == "stdout":
            streams = {"stdout": output, "stderr": output}
        subprocess.run([sys.executable, "-c", SCRIPT, str(told)], check=True, **streams)
    message, hint = told.read_text().split("|")
    assert message == "vLLM cannot start with the model m: MemoryError: no room for the model"
    assert str(log) in hint


def test_a_terminals_output_is_pointed_at(tmp_path: Path) -> None:
    told = tmp_path / "told"
    subprocess.run([sys.executable, "-c", SCRIPT, str(told)], check=True, capture_output=True)
    message, hint = told.read_text().split("|")
    assert message.endswith("Engine core initialization failed. See above")
    assert hint.endswith("see vLLM's output above")


def test_a_gated_model_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert "HF_TOKEN is not set on node" in start_hint("GatedRepoError: 401 Client Error", None)
    monkeypatch.setenv("HF_TOKEN", "t")
    assert "accept its terms" in start_hint("GatedRepoError: 403 Client Error", None)
    assert "--context-size" in start_hint("ValueError: no available memory for the KV cache", "/l")


def test_a_refused_configuration_says_what_is_wrong() -> None:
    """The first line of pydantic's text only counts the faults."""

    class Config(BaseModel):
        length: int

        @field_validator("length")
        @classmethod
        def _fits(cls, length: int) -> int:
            raise ValueError(f"max_model_len ({length}) is greater than the derived max_model_len")

    with pytest.raises(ValidationError) as refused:
        Config(length=9)
    problem = start_problem("m", refused.value, StartOutput.begin())
    said = "max_model_len (9) is greater than the derived max_model_len"
    assert problem.message == f"vLLM cannot start with the model m: {said}"
    assert str(problem.hint).startswith("lower --context-size")
