"""The recipe of the paper: what it promises, and what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rankgen.generator.api.ablation.settings import AblateOptions
from rankgen.generator.api.train_options import TrainOptions
from rankgen.generator.cli import app
from rankgen.generator.commands.recipes.step_costs import StepCosts
from rankgen.generator.commands.registry import STEPS
from rankgen.generator.jobs.label.settings import LabelOptions
from rankgen.generator.jobs.retrieve.settings import RetrieveOptions
from rankgen.generator.jobs.subsample.settings import SubsampleSettings
from rankgen.manifests.recipes.recipe import load_recipe
from rankgen.retrieval.collections.irds import irds_query_count
from rankgen.students.training.presets import PRESETS

NAME = "rank-distillm-10k"
Options = dict[str, Any]


@pytest.fixture
def steps() -> dict[str, Options]:
    """Step -> its options, with its command."""
    recipe = load_recipe(NAME, STEPS)
    return {step.name: {"command": step.command, **step.options} for step in recipe.steps}


def of(steps: dict[str, Options], command: str) -> dict[str, Options]:
    return {name: step for name, step in steps.items() if step["command"] == command}


def test_it_trains_in_one_stage_and_in_two(steps: dict[str, Options]) -> None:
    """arXiv 2405.07920, appendix C and Table 1."""
    lists, students = steps["label-lists"], of(steps, "train-student")
    assert (lists["depth"], lists["count"]) == (200, 7)
    assert steps[lists["candidates"].removeprefix("@")]["retriever"] == "colbert"
    labels = {**PRESETS["paper-labels"], **students["student-labels"]}
    assert (labels["loss"], labels["max_steps"], labels["queries_per_step"]) == ("lce", 20_000, 32)
    assert (labels["rankings"], labels["sample_size"]) == ("@label-lists", 8)
    kinds = {
        (step["preset"], step["backbone"].startswith("@student-labels"), step["rankings"])
        for name, step in students.items()
        if name != "student-labels"
    }
    assert kinds == {
        (preset, preset == "paper-two-stage", rankings)
        for preset in ("paper-single", "paper-two-stage")
        for rankings in ("@train-rankings", "@train-bm25-rankings")
    }
    validated = [student["validation"] for student in students.values() if "validation" in student]
    assert validated == [["@dl21-candidates", "@dl22-candidates"]] * 4
    for step in of(steps, "evaluate").values():
        assert step["students"] == [f"@{name}" for name in students]
        assert step["qrels"] == f"{step['candidates']}/qrels.tsv"
        assert len(step["rankings"]) == 1
    evaluated = {(s["candidates"], s["rankings"][0]) for s in of(steps, "evaluate").values()}
    assert evaluated == {
        (f"@dl{year}-{stage}-candidates", f"@dl{year}-{stage}-rankings")
        for year in (19, 20)
        for stage in ("bm25", "colbert")
    }


def test_both_labelled_sets_are_of_the_same_queries_at_four_depths(
    steps: dict[str, Options],
) -> None:
    sets = ["train-candidates", "train-bm25-candidates"]
    for key in ("collection", "sample", "seed", "depth"):
        assert len({steps[name][key] for name in sets}) == 1
    assert {steps[name]["retriever"] for name in sets} == {"bm25", "colbert"}
    cut = {(step["rankings"], step["depth"]) for step in of(steps, "subsample").values()}
    rankings = ("@train-rankings", "@train-bm25-rankings")
    assert cut == {(source, depth) for source in rankings for depth in (10, 25, 50)}
    (grid,) = of(steps, "ablate").values()
    assert (grid["depths"], grid["queries"]) == ([10, 25, 50, 100], [1000, 2000, 5000, 10_000])
    assert grid["rankings"] == ["bm25=@train-bm25-rankings", "colbert=@train-rankings"]


def test_a_dry_run_prints_what_every_step_costs(steps: dict[str, Options]) -> None:
    done = CliRunner().invoke(app, ["run", NAME, "--dry-run"])
    assert done.exit_code == 0, done.output
    parts = done.stdout.split("\n[")[1:]
    assert len(parts) == len(steps)
    assert [part for part in parts if "    cost: " not in part] == []
    by_name = {part.split("] ")[1].split(":")[0]: part for part in parts}
    assert "502,939 queries to search, 200 passages each" in by_name["label-candidates"]
    assert "90,000 calls, about 196.2 M prompt" in by_name["train-rankings"]
    assert "10,000 lists of 25 passages" in by_name["train-rankings-depth25"]
    assert "20,000 steps; 486.4 M tokens" in by_name["student-labels"]
    assert "32 students of parts of 2 labelled sets" in by_name["ablation"]
    assert "\nin all about 3.8 GPU-hours of labelling" in done.stdout


def test_costs_follow_the_lists_from_step_to_step() -> None:
    costs = StepCosts()
    found = RetrieveOptions(collection="c", sample=1000, depth=50, out=Path("found"))
    assert costs.of(found) == "1,000 queries to search, 50 passages each"
    labelled = LabelOptions(candidates=Path("found"), teacher="rankzephyr", out=Path("labels"))
    # Four windows of 20 by 10 over 50 passages.
    assert (costs.of(labelled) or "").startswith("4,000 calls, about 8.7 M prompt and 360.0 k")
    assert costs.label_hours == pytest.approx(4000 * 20 * 113.5 / 30_000 / 3600)
    part = SubsampleSettings(rankings=Path("labels"), out=Path("part"), queries=100, depth=10)
    costs.of(part)
    train = TrainOptions(rankings=Path("part"), out=Path("s"), epochs=2, queries_per_step=10)
    assert "20 steps" in (costs.of(train) or "")
    assert costs.train_hours == pytest.approx(20 * 10 * 10 * 95 / 250_000 / 3600)
    grid = AblateOptions(
        rankings=("a=part",), candidates=("a=x",), out=Path("g"), depths=(5, 10), seeds=(1, 2)
    )
    assert (costs.of(grid) or "").startswith("4 students of parts of 1 labelled set")
    unknown = LabelOptions(candidates=Path("elsewhere"), teacher="minilm", out=Path("x"))
    assert costs.of(unknown) is None
    assert StepCosts().train_hours == 0


def test_the_catalogue_counts_queries_without_a_download() -> None:
    pytest.importorskip("ir_datasets")
    assert irds_query_count("msmarco-passage/trec-dl-2019/judged") == 43
