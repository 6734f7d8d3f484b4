"""Students shipped for OpenVINO: the student's scores, by rankgen and by the card's code; tiny."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from shipped_folders import (
    EXPORT,
    LONG,
    PHOTOSYNTHESIS,
    code_of,
    copy_of,
    ours,
    run_code,
    scores_of,
)
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.manifests.errors import EnvironmentProblem, IntegrityProblem, UsageError
from rankgen.students.model.loading import load_cross_encoder
from rankgen.students.shipping.quality import made_up_pairs
from rankgen.students.shipping.record import read_record
from rankgen.students.shipping.settings import ShipSettings
from rankgen.students.shipping.ship import ship
from rankgen.students.shipping.shipped import Shipped
from rankgen.students.shipping.shipped_folder import ONNX_FILE, RECORD, graph_files
from rankgen.students.shipping.shipped_student import open_shipped

pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def opened(student: Path, exact: tuple[Path, Shipped]) -> tuple[Path, Shipped]:
    """The student for OpenVINO."""
    out = student.parent / "opened"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EXPORT, copy_of(exact[0]))
        return out, ship(ShipSettings(student=str(student), out=out, format="openvino"))


def test_openvino_returns_the_students_scores_at_any_length(
    student: Path, opened: tuple[Path, Shipped]
) -> None:
    folder, shipped = opened
    pairs = made_up_pairs(load_cross_encoder(str(student)))
    assert scores_of(folder, pairs) == pytest.approx(scores_of(student, pairs), abs=1e-5)
    assert scores_of(folder, pairs[:1]) == pytest.approx(scores_of(student, pairs[:1]), abs=1e-5)
    assert shipped.export_difference is not None
    assert shipped.export_difference < 1e-5
    # Left alone, openvino would write the weights in 16 bits.
    weights = folder / graph_files("openvino")[1]
    assert weights.stat().st_size >= shipped.student_bytes
    assert shipped.graph_bytes is not None
    assert shipped.graph_bytes > weights.stat().st_size
    assert not (folder / ONNX_FILE).parent.exists()
    assert not list(folder.rglob("exported.onnx"))


def test_the_cards_code_returns_the_students_scores(
    student: Path, opened: tuple[Path, Shipped]
) -> None:
    folder, _ = opened
    for title in ("OpenVINO", "transformers", "sentence-transformers"):
        found = run_code(folder, code_of(folder, title))
        expected = ours(student, found["query"], found["passages"])
        assert np.asarray(found["scores"]) == pytest.approx(expected, abs=1e-5), title
    long = {"how do plants eat": LONG, "Rome was founded.": LONG}
    found = run_code(folder, code_of(folder, "OpenVINO"), long)
    expected = ours(student, LONG, [PHOTOSYNTHESIS, LONG])
    assert found["scores"] == pytest.approx(expected, abs=1e-5)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "| OpenVINO | `openvino/openvino_model.xml` | yes |" in card
    assert "onnx" not in card.lower()


def test_it_is_compared_and_calibrated_like_any_other(
    student: Path,
    judged: dict[str, Path],
    exported: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = {"candidates": judged["candidates"], "qrels": judged["qrels"]}
    words = [word for name, path in options.items() for word in (f"--{name}", str(path))]
    more = ["--format", "openvino", "--out", str(tmp_path / "x"), "--json"]
    result = CliRunner().invoke(app, ["ship", str(student), *words, *more])
    assert result.exit_code == 0, result.stderr
    shipped = json.loads(result.stdout)
    assert shipped["quality"]["student"] == pytest.approx(shipped["quality"]["shipped"])
    assert shipped["quality"]["largest_score_difference"] < 1e-5
    assert shipped["calibration"]["pairs"] == 32


def test_each_file_of_its_graph_is_checked(opened: tuple[Path, Shipped], tmp_path: Path) -> None:
    for name in graph_files("openvino"):
        folder = tmp_path / Path(name).suffix
        shutil.copytree(opened[0], folder)
        (folder / name).write_bytes((folder / name).read_bytes()[:-1])
        with pytest.raises(IntegrityProblem, match=f"{name} is not the file that was shipped"):
            open_shipped(str(folder), "cpu")
    with pytest.raises(UsageError, match="is scored by OpenVINO on the CPU"):
        open_shipped(str(opened[0]), "cuda")


def test_records_of_when_there_was_one_file_are_read(
    exact: tuple[Path, Shipped], tmp_path: Path
) -> None:
    folder = tmp_path / "old"
    shutil.copytree(exact[0], folder)
    values = json.loads((folder / RECORD).read_text())
    values["onnx_sha256"] = values.pop("graph_sha256")[ONNX_FILE]
    (folder / RECORD).write_text(json.dumps(values))
    assert read_record(folder) == read_record(exact[0])
    assert open_shipped(str(folder), "cpu") is not None


def test_without_openvino_it_is_one_sentence(
    student: Path, opened: tuple[Path, Shipped], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    for work in (
        lambda: ship(ShipSettings(student=str(student), out=tmp_path / "x", format="openvino")),
        lambda: open_shipped(str(opened[0]), "cpu"),
    ):
        with pytest.raises(EnvironmentProblem, match="needs the package openvino") as error:
            work()
        assert error.value.hint == "pip install 'rankgen-distill[ship]'"
    assert not (tmp_path / "x").exists()
