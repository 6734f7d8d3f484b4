"""The recipes of Table 1 and Figure 1, small: run, interrupted, resumed, forecast."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from small_paper import made_up_sources, recipe_of, run_small

from rankgen.generator.commands.recipes.training_rates import TrainingRates
from rankgen.students.paper.tables import FIGURE_1, TABLE_1
from rankgen.students.training.presets import PRESETS
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.step import Trainer

SVG = "{http://www.w3.org/2000/svg}"
CELLS = {
    "BM25 DL19": "dl19-bm25",
    "BM25 DL20": "dl20-bm25",
    "ColBERTv2 DL19": "dl19-colbert",
    "ColBERTv2 DL20": "dl20-colbert",
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return made_up_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def table(
    sources: dict[str, Path], tiny_backbone: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a whole run of the recipe of Table 1."""
    out = tmp_path_factory.mktemp("paper") / "out"
    done = run_small("paper-table1", out, sources, tiny_backbone)
    assert done.exit_code == 0, done.output
    return out


def evaluation(out: Path, cell: str) -> dict[str, float]:
    """Returns system -> nDCG@10 as `evaluate` told it."""
    told = json.loads((out / f"{cell}-evaluation" / "evaluation.json").read_text())
    return {system["name"]: system["measures"]["nDCG@10"] for system in told["systems"]}


def test_table_1_has_the_figures_of_the_evaluations_where_the_paper_has_its_own(
    table: Path,
) -> None:
    told = json.loads((table / "table1" / "reproduction.json").read_text())
    rows = dict(text.split("=") for text in recipe_of("paper-table1").steps[-1].options["rows"])
    assert set(TABLE_1.rows) - set(rows) == {"first stage", "RankGPT-4"}
    for place, (column, cell) in enumerate(CELLS.items()):
        assert told["columns"][place] == column
        systems = evaluation(table, cell)
        for row, system in rows.items():
            name = system.replace("(rankzephyr)", "(scripted)")
            assert told["ours"][row][place] == pytest.approx(systems[name], abs=1e-12)
        first_stage = next(iter(systems.values()))
        assert told["ours"]["first stage"][place] == pytest.approx(first_stage, abs=1e-12)
    # The students have learned different things, so that a mixed-up row shows.
    assert len({tuple(row) for row in told["ours"].values()}) > 5
    # Every other row is tested against the teacher in each column.
    assert told["reference"] == "RankZephyr"
    assert {test["test"]["a"] for test in told["comparisons"]} == {"RankZephyr"}
    assert {test["test"]["m"] for test in told["comparisons"]} == {len(rows)}
    shown = (table / "table1" / "table.md").read_text()
    line = next(x for x in shown.splitlines() if x.startswith("| two-stage RankZephyr ColBERTv2 |"))
    assert [found[1:-1] for found in re.findall(r"\(\d\.\d+\)", line)] == [
        f"{value:.3f}" for value in TABLE_1.rows["two-stage RankZephyr ColBERTv2"]
    ]
    assert "bm25/dl19: the mean is over 5 judged queries, the paper's over 43" in told["notes"]


def test_the_students_are_those_of_the_paper() -> None:
    steps = {step.name: step.options for step in recipe_of("paper-table1").steps}
    students = {n: o for n, o in steps.items() if n.startswith("student-")}
    sets = {"@rankgpt-rankings", "@twolar-rankings", "@train-bm25-rankings", "@train-rankings"}
    for preset, backbone in (
        ("paper-single", "google/electra-base-discriminator"),
        ("paper-two-stage", "@student-labels"),
    ):
        of_preset = [o for o in students.values() if o["preset"] == preset]
        plain = [o for o in of_preset if "loss" not in o]
        assert {o["rankings"] for o in plain} == sets
        assert [o["rankings"] for o in of_preset if o.get("loss") == "adr-mse"] == [
            "@train-rankings"
        ]
        assert {o["backbone"] for o in of_preset} == {backbone}
        assert PRESETS[preset]["loss"] == "ranknet"
    validated = [o["validation"] for o in students.values() if "validation" in o]
    assert validated == [["@dl21-candidates", "@dl22-candidates"]] * 10
    assert steps["dl22-candidates"]["collection"].endswith("trec-dl-2022/judged")


def test_an_interrupted_recipe_resumes_to_the_same_table(
    sources: dict[str, Path],
    tiny_backbone: str,
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, steps = tmp_path / "out", list[int]()
    step = Trainer.run

    def interrupted(self: Trainer, number: int, *rest: Any) -> Any:
        steps.append(number)
        if len(steps) == 8:
            raise KeyboardInterrupt
        return step(self, number, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "run", interrupted)
        stopped = run_small("paper-table1", out, sources, tiny_backbone)
    assert stopped.exit_code == 130
    forecast = run_small("paper-table1", out, sources, tiny_backbone, "--dry-run")
    states = dict(re.findall(r"\] ([\w-]+): [\w-]+ \(([\w ]+)\)", forecast.stdout))
    assert states["student-rankgpt-single"] == "done"
    assert states["student-twolar-single"] == "begun"
    assert states["student-single"] == "to do"
    assert states["train-rankings"] == "reused"
    done = run_small("paper-table1", out, sources, tiny_backbone)
    assert done.exit_code == 0, done.output
    names = "reproduction.json", "table.md"
    ours, theirs = ([(f / "table1" / n).read_text() for n in names] for f in (out, table))
    assert ours == theirs


def test_figure_1_draws_the_cells_beside_the_paper(
    sources: dict[str, Path], tiny_backbone: str, table: Path
) -> None:
    # In the folder of the table: the student of the labels is there already.
    forecast = run_small("paper-figure1", table, sources, tiny_backbone, "--dry-run")
    assert "student-labels: train-student (done)" in forecast.stdout
    assert "ablation: ablate (to do)" in forecast.stdout
    done = run_small("paper-figure1", table, sources, tiny_backbone)
    assert done.exit_code == 0, done.output
    told = json.loads((table / "figure1" / "reproduction.json").read_text())
    # All queries at both depths, the greatest depth at both numbers of queries.
    assert list(told["ours"]) == ["8 queries depth 3", "3 queries depth 8", "8 queries depth 8"]
    cell = table / "ablation" / "colbert-depth8-queries3"
    for place, stage in enumerate(("bm25", "colbert")):
        folders = [cell / f"evaluation-seed42-dl{y}-{stage}-candidates" for y in (19, 20)]
        values = [json.loads((f / "evaluation.json").read_text())["systems"][-1] for f in folders]
        mean = sum(value["measures"]["nDCG@10"] for value in values) / 2
        assert told["ours"]["3 queries depth 8"][place] == pytest.approx(mean, abs=1e-12)
    drawing = ET.parse(table / "figure1" / "figure1.svg").getroot()
    by_depth, by_queries = drawing.findall(f"{SVG}g")
    titles = [t.text or "" for t in by_depth.iter(f"{SVG}title")]
    for column in FIGURE_1.columns:
        assert sum(title.startswith(f"paper, {column.name}") for title in titles) == 4
        assert sum(title.startswith(f"ours, {column.name}") for title in titles) == 2
    assert len(list(by_queries.iter(f"{SVG}circle"))) == 2 * (4 + 2)
    again = run_small("paper-figure1", table, sources, tiny_backbone, "--dry-run")
    assert "ablation: ablate (done)" in again.stdout
    assert "figure1: reproduce (done)" in again.stdout


@pytest.mark.parametrize("loss", ["ranknet", "mse"])
def test_a_backbone_is_timed_without_lists(tiny_backbone: str, loss: str, tmp_path: Path) -> None:
    settings = TrainSettings.model_validate(
        {
            "rankings": tmp_path / "none",
            "out": tmp_path / "out",
            "backbone": tiny_backbone,
            "loss": loss,
            "device": "cpu",
        }
    )
    rate = TrainingRates(measures=True).of(settings, 100)
    assert rate.tokens_per_second > 0
    assert f"with {loss} on cpu of this machine" in rate.source
    assert not (tmp_path / "out").exists()
