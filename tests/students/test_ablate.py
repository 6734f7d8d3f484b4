"""`rankgen ablate`: a grid of small students, its table, its figure, and what goes wrong."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from labelled_in_process import label_in_process, write_candidates
from typer.testing import CliRunner, Result

from rankgen.generator.api.ablation.compared import Compared
from rankgen.generator.api.steps import run_train_student
from rankgen.generator.api.train_options import TrainOptions
from rankgen.generator.cli import app
from rankgen.manifests.errors import IncompleteRun, UsageError
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.paper.ablation import Ablation, CellFigure
from rankgen.students.paper.ablation_plot import ablation_svg
from rankgen.students.paper.measured import Measured
from rankgen.students.paper.measured_ablation import measure_ablation
from rankgen.students.training.step import Trainer

SVG = "{http://www.w3.org/2000/svg}"
Grid = Callable[..., Result]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled sets of two first stages, and a judged one to evaluate on."""
    root = tmp_path_factory.mktemp("labelled")
    for name, queries in (("bm25", 6), ("colbert", 5)):
        source = write_candidates(root / f"{name}-candidates", queries, 8)
        label_in_process(source, root / name, shards=1)
    test = write_candidates(root / "test", 3, 5)
    (test.root / "qrels.tsv").write_text("q00\t0\td1\t1\nq01\t0\td9\t2\nq02\t0\td14\t1\n")
    return root


@pytest.fixture
def grid(labelled: Path, tiny_backbone: str, tmp_path: Path) -> Grid:
    def run(*words: object, depths: str = "3,5", out: Path = tmp_path / "grid") -> Result:
        command = ["ablate", "--out", out, "--backbone", tiny_backbone, "--device", "cpu"]
        for name in ("bm25", "colbert"):
            command += ["--rankings", f"{name}={labelled / name}"]
            command += ["--candidates", f"{name}={labelled / 'test'}"]
        command += ["--depths", depths, "--queries", 4, "--max-steps", 2, "--queries-per-step", 2]
        return CliRunner().invoke(app, [str(word) for word in [*command, *words]])

    return run


def figures_of(out: Path) -> list[dict[str, str]]:
    head, *lines = (out / "ablation.tsv").read_text().splitlines()
    return [dict(zip(head.split("\t"), line.split("\t"), strict=True)) for line in lines]


def test_every_cell_is_trained_and_measured_once(
    grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, steps = tmp_path / "grid", list[int]()
    step = Trainer.run

    def counted(self: Trainer, number: int, *rest: Any) -> Any:
        steps.append(number)
        return step(self, number, *rest)

    monkeypatch.setattr(Trainer, "run", counted)
    done = grid()
    assert done.exit_code == 0, done.output
    found = figures_of(out)
    cells = [(row["first_stage"], row["depth"], row["queries"]) for row in found]
    assert cells == [(name, d, "4") for name in ("bm25", "colbert") for d in ("3", "5")]
    assert steps == [0, 1] * 4
    for row in found:
        folder = out / f"{row['first_stage']}-depth{row['depth']}-queries4"
        told = json.loads((folder / "evaluation-seed42-test" / "evaluation.json").read_text())
        systems = {system["kind"]: system for system in told["systems"]}
        assert float(row["nDCG@10"]) == systems["student"]["measures"]["nDCG@10"]
        assert float(row["its first stage"]) == systems["first-stage"]["measures"]["nDCG@10"]
        lists = RunDirectory(folder / "rankings").read("rankings")["doc_ids"].to_pylist()
        assert [len(doc_ids) for doc_ids in lists] == [int(row["depth"])] * 4
    # The grid may grow: only the new cells are trained.
    steps.clear()
    again = grid("--queries", "2,4")
    assert again.exit_code == 0, again.output
    assert steps == [0, 1] * 4
    assert [row for row in figures_of(out) if row["queries"] == "4"] == found
    other = grid("--learning-rate", 1e-3)
    assert other.exit_code == 2
    assert "was begun with other settings: learning_rate" in other.stderr


def test_seeds_are_averaged(grid: Grid, tmp_path: Path) -> None:
    done = grid("--seeds", "1,2", "--max-steps", 1, "--json", depths="3")
    assert done.exit_code == 0, done.output
    values = [float(row["nDCG@10"]) for row in figures_of(tmp_path / "grid")]
    told = json.loads(done.stdout)
    assert len(values) == 4
    assert told["means"][0]["nDCG@10"] == pytest.approx((values[0] + values[1]) / 2)


def test_a_failing_cell_is_named_and_loses_no_other(
    grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(options: TrainOptions) -> Any:
        if "bm25-depth5" in str(options.out):
            raise IncompleteRun("the loss of step 1 is nan")
        if "colbert-depth3" in str(options.out):
            raise RuntimeError("traceback\nCUDA error: lost")
        return run_train_student(options)

    with monkeypatch.context() as patch:
        patch.setattr("rankgen.generator.api.ablation.run.run_train_student", failing)
        done = grid()
    assert done.exit_code == 4
    assert "2 cells have no figure" in done.stderr
    assert "bm25-depth5-queries4-seed42: the loss of step 1 is nan" in done.stderr
    assert len(figures_of(tmp_path / "grid")) == 2
    told = json.loads((tmp_path / "grid" / "ablation.json").read_text())
    assert told["failed"]["colbert-depth3-queries4-seed42"].endswith("CUDA error: lost")
    assert grid().exit_code == 0
    assert len(figures_of(tmp_path / "grid")) == 4


def test_a_forecast_counts_and_writes_nothing(grid: Grid, tmp_path: Path) -> None:
    out = tmp_path / "grid"
    done = grid("--dry-run", "--json", "--epochs", 3)
    assert done.exit_code == 0, done.output
    assert not out.exists()
    told = json.loads(done.stdout)
    first, second, *_ = told["cells"]
    assert (first["lists"], first["passages"], first["steps"]) == (4, 12, 2)
    # Two steps of two lists; the test set has 5 + 5 + 2 candidates.
    assert (first["pairs"], second["pairs"]) == (2 * 2 * 3, 2 * 2 * 5)
    assert first["scored"] == 12
    assert told["rate_source"].startswith("measured on 3 steps")
    tokens = first["tokens"] + 12 * told["tokens_per_pair"] / 3
    assert first["seconds"] == pytest.approx(tokens / told["tokens_per_second"], rel=0.05)
    assert grid(depths="3").exit_code == 0
    (out / "bm25-depth3-queries4" / "evaluation-seed42-test" / "evaluation.json").unlink()
    cell = json.loads(grid("--dry-run", "--json", "--tokens-per-second", 1000).stdout)["cells"][0]
    # Its student is there: 12 pairs are left to score.
    assert cell["state"] == "trained"
    assert cell["seconds"] == pytest.approx(12 * told["tokens_per_pair"] / 3 / 1000, rel=0.05)
    shown = grid("--dry-run", "--tokens-per-second", 1000)
    assert "4 cells, 1 done" in shown.stdout
    assert "1,000 tokens/s of training (as given)" in shown.stdout


def test_wrong_grids_are_one_sentence(grid: Grid, labelled: Path, tmp_path: Path) -> None:
    wrong = {
        ("--candidates", f"bm26={labelled / 'test'}"): "names no labelled set 'bm26'",
        ("--candidates", f"bm25={labelled / 'bm25'}"): "there are no judgements",
        ("--candidates", f"bm25={labelled / 'test'}"): "two sets of candidates of 'bm25'",
        ("--rankings", f"bm25={labelled / 'bm25'}"): "two labelled sets are called 'bm25'",
        ("--rankings", f"splade={labelled / 'bm25'}"): "'splade' have nothing to be evaluated on",
        ("--rankings", "splade"): "'splade' has the wrong form",
        ("--depths", "9"): "go down to first-stage rank 8, not 9",
        ("--depths", "3,1"): "must be at least 2",
        ("--queries", "6"): "has 5 ranked queries, fewer than 6",
        ("--loss", "renknet"): "there is no loss 'renknet'",
    }
    for words, message in wrong.items():
        done = grid(*words)
        assert done.exit_code == 2, done.output
        assert done.stderr.startswith("error: ")
        assert message in done.stderr
    assert not (tmp_path / "grid").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    assert "is not an ablation" in grid(out=tmp_path / "full").stderr


def figure(value: float, **more: Any) -> CellFigure:
    values = {"first_stage": "bm25", "depth": 10, "queries": 100, "seed": 1, "test": "dl19"}
    return CellFigure(**{**values, "baseline": 0.5, "steps": 3, **more}, value=value)


def test_means_are_over_tests_and_seeds() -> None:
    figures = [figure(0.6), figure(0.7, test="dl20", baseline=0.3), figure(0.2, depth=25)]
    ablation = Ablation(figures=tuple(figures))
    assert ablation.mean("bm25", 10, 100) == pytest.approx(0.65)
    assert ablation.mean("bm25", 50, 100) is None
    assert ablation.baseline("bm25") == pytest.approx(0.4)
    assert "mean of dl19 and dl20 (first stage 0.4000)" in ablation.text()
    assert re.search(r"10 +0\.6500\n +25 +0\.2000", ablation.text())


def test_the_figure_shows_every_mean_where_it_belongs() -> None:
    figures = [
        figure(0.5 + depth / 1000 + queries / 10_000, depth=depth, queries=queries)
        for depth in (10, 100)
        for queries in (100, 200, 1000)
    ]
    root = ET.fromstring(ablation_svg(Ablation(figures=tuple(figures))))
    by_queries, by_depth = root.findall(f"{SVG}g")
    for panel, lines, places in ((by_queries, 2, 3), (by_depth, 3, 2)):
        circles = panel.findall(f"{SVG}circle")
        assert len(circles) == lines * places
        points = sorted(
            (float(title.text.split(": ")[1]), float(circle.attrib["cy"]))
            for circle in circles
            if (title := circle.find(f"{SVG}title")) is not None and title.text
        )
        # Higher values stand higher, in proportion.
        (low, down), (high, up) = points[0], points[-1]
        assert up < down - 100
        for value, y in points:
            assert y == pytest.approx(down + (up - down) * (value - low) / (high - low), abs=0.2)
        across = [float(circle.attrib["cx"]) for circle in circles[:places]]
        assert across == sorted(across)
    xs = [float(circle.attrib["cx"]) for circle in by_queries.findall(f"{SVG}circle")[:3]]
    # A tenfold number of queries is as far from 100 as twice that is from ... by its logarithm.
    assert (xs[1] - xs[0]) / (xs[2] - xs[0]) == pytest.approx(0.30103, abs=0.01)
    alone = ET.fromstring(ablation_svg(Ablation(figures=(figures[0],))))
    assert len(alone.findall(f"{SVG}g")) == 1


def test_cells_on_other_queries_are_told(grid: Grid, labelled: Path, tmp_path: Path) -> None:
    short = ("--max-steps", 1)
    few = tmp_path / "few"
    few.write_text("q00\t0\td1\t1\nq01\t0\td9\t2\nq07\t0\td9\t2\n")
    other = ("--candidates", f"colbert={labelled / 'bm25-candidates'},{few}")
    done = grid(*short, *other, "--json", depths="3")
    assert done.exit_code == 0, done.output
    learned, tested, *notes = json.loads(done.stdout)["notices"]
    held = {
        name: set(
            RunDirectory(tmp_path / "grid" / f"{name}-depth3-queries4" / "rankings")
            .read("rankings")["query_id"]
            .to_pylist()
        )
        for name in ("bm25", "colbert")
    }
    only = min(held["bm25"] - held["colbert"])
    assert learned.startswith("at 4 queries, the students of bm25 and colbert learned from diff")
    assert f"of bm25 alone (first: {only})" in learned
    assert tested == (
        "the students of bm25 and colbert are tested on different queries: "
        "1 of colbert alone (first: q07)"
    )
    lost = "bm25-candidates: 1 of 3 judged queries has no list in "
    assert sum(note.startswith(lost) for note in notes) == 1
    shown = grid(*short, *other, depths="3")
    assert f"note: {tested}\n" in shown.stdout
    same = grid("--max-steps", 1, "--json", depths="3", out=tmp_path / "same")
    assert [note for note in json.loads(same.stdout)["notices"] if "tested on" in note] == []


def test_seeds_that_were_measured_otherwise_have_no_mean(grid: Grid, tmp_path: Path) -> None:
    assert grid("--seeds", "1,2", "--max-steps", 1, depths="3").exit_code == 0
    tests = {"bm25/dl19": "test"}
    measure_ablation(Measured(), tmp_path / "grid", tests, "bm25")
    folder = tmp_path / "grid" / "bm25-depth3-queries4" / "evaluation-seed2-test"
    table, told = folder / "per_query.csv", folder / "evaluation.json"
    before = table.read_text(), told.read_text()
    # As many queries, and not the same ones.
    table.write_text(before[0].replace("q02", "q09"))
    with pytest.raises(UsageError, match=r"seed2-test was measured by other queries \(such as q02"):
        measure_ablation(Measured(), tmp_path / "grid", tests, "bm25")
    table.write_text(before[0])
    told.write_text(before[1].replace('"qrels_sha256": "', '"qrels_sha256": "0'))
    with pytest.raises(UsageError, match="seed2-test was measured by other judgements"):
        measure_ablation(Measured(), tmp_path / "grid", tests, "bm25")


def test_as_many_test_queries_are_not_the_same_ones() -> None:
    compared = Compared()
    compared._tested = {
        "bm25": {"bm25-dl19": frozenset({"q1", "q2"})},
        "colbert": {"colbert-dl19": frozenset({"q1", "q3"})},
    }
    assert compared.notices() == (
        "the students of bm25 and colbert are tested on different queries: "
        "1 of bm25 alone (first: q2), 1 of colbert alone (first: q3)",
    )
