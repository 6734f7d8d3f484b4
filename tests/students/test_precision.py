"""What `auto` comes to follows what is fast, and is kept where it was once settled."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from toy_training import Killed, settings_of

from rankgen.manifests import notices
from rankgen.manifests.errors import UsageError
from rankgen.manifests.models import half_precision
from rankgen.students.evaluation.evaluate import evaluate
from rankgen.students.evaluation.settings import EvaluationSettings
from rankgen.students.model.hardware import choose_hardware
from rankgen.students.model.loading import load_backbone
from rankgen.students.model.precision import precision_and_warning
from rankgen.students.training.step import Trainer
from rankgen.students.training.train import train_student

FAST, SLOW = 7.0, 0.02

SetSpeed = Callable[[float], None]


@pytest.fixture
def set_speed(monkeypatch: pytest.MonkeyPatch) -> SetSpeed:
    """Sets what the measurement of this CPU says of its 16-bit formats."""

    def set_speed(factor: float) -> None:
        monkeypatch.setattr(half_precision, "_cpu_speedup", lambda half: factor)

    return set_speed


@pytest.mark.parametrize(
    ("factor", "choice"), [(FAST, "bf16"), (1.5, "bf16"), (1.2, "fp32"), (SLOW, "fp32")]
)
def test_auto_is_what_is_clearly_faster(set_speed: SetSpeed, factor: float, choice: str) -> None:
    set_speed(factor)
    assert precision_and_warning("auto", "cpu") == (choice, None)
    assert choose_hardware("cpu").is_bf16 == (choice == "bf16")
    assert precision_and_warning("fp32", "cpu") == ("fp32", None)


def test_a_slow_choice_is_kept_and_warned_of(
    set_speed: SetSpeed, capsys: pytest.CaptureFixture[str]
) -> None:
    notices.warn.cache_clear()
    set_speed(0.9)
    assert precision_and_warning("bf16", "cpu") == ("bf16", None)
    set_speed(SLOW)
    assert choose_hardware("cpu", "bf16").is_bf16
    assert choose_hardware("cpu", "bf16").is_bf16
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "warning: bf16 is slow here: its matrix products take 50.0 times as long as those in "
        "32 bits; --precision auto or fp32 is faster"
    )


@pytest.mark.parametrize(("is_native", "choice"), [(True, "bf16"), (False, "fp32")])
def test_a_gpu_that_emulates_bf16_computes_in_fp32(
    monkeypatch: pytest.MonkeyPatch, is_native: bool, choice: str
) -> None:
    # torch says yes for a T4 unless it is asked about the hardware itself.
    monkeypatch.setattr(
        torch.cuda,
        "is_bf16_supported",
        lambda including_emulation=True: including_emulation or is_native,
    )
    assert precision_and_warning("auto", "cuda") == (choice, None)
    warned = precision_and_warning("bf16", "cuda")[1]
    assert (warned is None) == is_native
    assert is_native or "this GPU only emulates it" in str(warned)


CHOICES = """
from rankgen.manifests.models.half_precision import speedup
from rankgen.students.model.hardware import choose_hardware
print(choose_hardware("cpu").is_bf16, speedup("bfloat16", "cpu") < 0.5)
print(choose_hardware("cpu", "bf16").is_bf16)
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="AVX2 is an extension of x86-64")
def test_a_cpu_that_has_only_avx2_is_measured_as_slow() -> None:
    only_avx2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run(
        [sys.executable, "-c", CHOICES],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | only_avx2,
    )
    assert done.stdout.splitlines() == ["False True", "True"]
    assert done.stderr.startswith("warning: bf16 is slow here: its matrix products take ")
    assert done.stderr.count("\n") == 1


@pytest.fixture
def evaluation(
    write_candidates: Callable[..., Path], tiny_backbone: str, tmp_path: Path
) -> EvaluationSettings:
    documents = {"a": "one text", "b": "another text", "c": "a third text here"}
    lists = {"q1": [("b", 2.0), ("a", 1.0)], "q2": [("c", 3.0), ("a", 2.0)]}
    queries = {"q1": "first", "q2": "second"}
    (tmp_path / "qrels").write_text("q1 0 a 1\nq2 0 c 2\n")
    encoder = load_backbone(tiny_backbone, seed=2, query_tokens=8, passage_tokens=8, dropout=None)
    encoder.save(tmp_path / "scored")
    return EvaluationSettings(
        qrels=tmp_path / "qrels",
        out=tmp_path / "report",
        candidates=write_candidates("bm25", lists, queries, documents),
        students=(str(tmp_path / "scored"),),
        device="cpu",
    )


def test_kept_scores_belong_to_the_precision_they_were_made_in(
    evaluation: EvaluationSettings, set_speed: SetSpeed
) -> None:
    def files() -> set[str]:
        return {path.name for path in (evaluation.out / ".rankgen" / "scores").iterdir()}

    set_speed(FAST)
    assert evaluate(evaluation).settings["precision"] == "bf16"
    of_fast = files()
    set_speed(SLOW)
    assert evaluate(evaluation).settings["precision"] == "fp32"
    of_both = files()
    assert (len(of_fast), len(of_both)) == (1, 2)
    for explicit in ("fp32", "bf16"):
        evaluate(evaluation.model_copy(update={"precision": explicit}))
    assert files() == of_both


def test_a_training_goes_on_in_the_precision_it_was_begun_in(
    recipe: dict[str, object], set_speed: SetSpeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(recipe, precision="auto", max_steps=3, checkpoint_every=1)
    original = Trainer.run

    def dying(self: Trainer, step: int, lists: list[object], spent: float) -> object:
        if step == 2:
            raise Killed
        return original(self, step, lists, spent)  # type: ignore[arg-type]  # passed on as they came

    def held(name: str) -> object:
        return json.loads((settings.out / name).read_text(encoding="utf-8"))

    set_speed(FAST)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "run", dying)
        with pytest.raises(Killed):
            train_student(settings)
    set_speed(SLOW)
    with pytest.raises(UsageError, match='precision: "bf16" there, "fp32" now'):
        train_student(settings.model_copy(update={"precision": "fp32"}))
    train_student(settings)
    record = held("rankgen.json")
    assert isinstance(record, dict)
    assert record["settings"]["precision"] == record["facts"]["precision"] == "bf16"
    assert "| precision | bf16 |" in (settings.out / "README.md").read_text(encoding="utf-8")
    assert train_student(settings).was_finished


def test_an_unfinished_training_whose_precision_nobody_wrote_down_is_not_mixed(
    recipe: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(recipe, precision="auto", max_steps=2, checkpoint_every=1)
    train_student(settings)
    path = settings.out / ".rankgen" / "recipe.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(facts | {"precision": "auto"}), encoding="utf-8")
    # Finished, it is recognised; with a checkpoint alone it would go on in either precision.
    assert train_student(settings).was_finished
    (settings.out / "config.json").unlink()
    (settings.out / ".rankgen" / "checkpoint.pt").touch()
    with pytest.raises(UsageError, match='precision: "auto" there'):
        train_student(settings)
