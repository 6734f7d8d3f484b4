"""`run --dry-run`: states, GPU-hours of each student and over all, and rates with sources."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from labelled_in_process import label_in_process, write_candidates
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.generator.commands.recipes.training_costs import training_cost
from rankgen.manifests.recipes.estimates import Lists
from rankgen.students.training.pace import Pace, made_up_lists
from rankgen.students.training.settings import StudentSettings, TrainSettings

RECIPE = """
name = "two"
out = "two"
[sizes]
shared = [1000, 50]
[[step]]
name = "found"
command = "retrieve"
collection = "somewhere"
sample = 1000
depth = 100
[[step]]
name = "ranked"
command = "label"
candidates = "@found"
teacher = "rankzephyr"
[[step]]
name = "shared"
command = "import"
form = "twolar"
source = "twolar.parquet"
[[step]]
name = "one"
command = "train-student"
rankings = "@ranked"
backbone = "encoder"
epochs = 1
[[step]]
name = "two"
command = "train-student"
rankings = "@shared"
backbone = "@one"
epochs = 1
[[step]]
name = "grid"
command = "ablate"
rankings = ["x=@ranked"]
candidates = ["x=@found"]
backbone = "@one"
grid = "axes"
depths = [10, 50, 100]
queries = [500, 1000]
epochs = 1
[[step]]
name = "laid"
command = "reproduce"
table = "table1"
rows = ["single-stage TWOLAR=two"]
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "two.toml"
    path.write_text(RECIPE.replace('out = "two"', f'out = "{tmp_path / "out"}"'))
    return path


def forecast(*words: object) -> str:
    done = CliRunner().invoke(app, ["run", *map(str, words), "--dry-run"])
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(*words: object) -> str:
    done = CliRunner().invoke(app, ["run", *map(str, words), "--dry-run"])
    assert done.exit_code == 2, done.output
    assert len(done.stderr.splitlines()) == 2
    return done.stderr


def row(shown: str, name: str) -> list[float]:
    """Returns the figures of a student's row."""
    (line,) = [x for x in shown.splitlines() if x.startswith(f"{name}  ")]
    return [float(word) for word in line.removeprefix(name).split()[:3]]


def test_a_student_costs_itself_and_all_that_it_needs(recipe: Path) -> None:
    rates = "--train-tokens-per-second", 1000, "--label-tokens-per-second", 10_000
    shown = forecast(recipe, *rates)
    # 1,000 lists of 100 pairs of 95 tokens; 9,000 windows of 20 passages of 113.5 tokens.
    # 32 steps of 32 lists see 24 of them twice.
    one, label = 32 * 32 * 100 * 95 / 1000 / 3600, 9000 * 20 * 113.5 / 10_000 / 3600
    assert row(shown, "one") == pytest.approx([one, one, label], abs=0.006)
    # Its set is half as deep and needs no teacher of ours, but its backbone does.
    assert row(shown, "single-stage TWOLAR") == pytest.approx(
        [one / 2, 1.5 * one, label], abs=0.006
    )
    cells = {
        "x-depth10-queries1000-seed42": one / 10,
        "x-depth50-queries1000-seed42": one / 2,
        "x-depth100-queries500-seed42": one / 2,
        "x-depth100-queries1000-seed42": one,
    }
    for name, own in cells.items():
        assert row(shown, name) == pytest.approx([own, one + own, label], abs=0.006)
    assert len(re.findall(r"^x-depth", shown, re.MULTILINE)) == len(cells)
    # What several share counts once.
    trained = 1.5 * one + sum(cells.values())
    assert f"in all about {label:,.1f} GPU-hours of labelling, {trained:,.1f} of training" in shown
    assert "7 steps: 7 to do" in shown
    assert "training at 1,000 tokens/s: as given" in shown
    assert "labelling at 10,000 tokens/s: as given" in shown


def test_a_finished_step_and_a_reused_one_are_not_left(recipe: Path, tmp_path: Path) -> None:
    found = write_candidates(tmp_path / "elsewhere", 6, 8)
    ranked = label_in_process(found, tmp_path / "out" / "ranked", shards=1)
    assert ranked.manifest.exists()
    shown = forecast(recipe, "--reuse", f"found={found.root}", "--label-tokens-per-second", 1)
    assert "found: retrieve (reused)" in shown
    assert f"    from {found.root}" in shown
    assert "ranked: label (done)" in shown
    assert f"candidates = {found.root}" in shown
    # The students are counted from what is really there: 6 lists of 8.
    assert "32 lists of 8 passages a step, 1 step" in shown
    # A window of 8 passages for each of 6 queries, in all but not left.
    assert "in all about 1.5 GPU-hours of labelling" in shown
    assert re.search(r"; 0\.0, \d+\.\d and \d+\.\d of them are left", shown)
    assert "7 steps: 1 reused, 1 done, 5 to do" in shown


def test_rates_come_from_the_recipe_with_their_source(recipe: Path) -> None:
    text = recipe.read_text()
    rated = '[rates]\ntrain = 5000\ntrain_source = "a run of last May"\n[sizes]'
    recipe.write_text(text.replace("[sizes]", rated))
    assert "training at 5,000 tokens/s: a run of last May" in forecast(recipe)
    recipe.write_text(text.replace("[sizes]", "[rates]\ntrain = 5000\n[sizes]"))
    assert "train and train_source belong together" in refused(recipe)
    recipe.write_text(text.replace("[sizes]", rated.replace("train_s", "train_sp")))
    assert "there is no setting 'rates.train_spource'" in refused(recipe)


def test_wrong_recipes_are_one_sentence(recipe: Path, tmp_path: Path) -> None:
    assert "there is no folder /no/such to reuse" in refused(recipe, "--reuse", "found=/no/such")
    assert "no step is called 'fuond'" in refused(recipe, "--reuse", f"fuond={tmp_path}")
    assert "--reuse needs STEP=FOLDER" in refused(recipe, "--reuse", "found")
    wrong = {
        "shared = [1000, 50]": ("sharde = [1000, 50]", "no step is called 'sharde'"),
        'grid = "axes"': ('gird = "axes"', "there is no setting 'gird'"),
        'rows = ["s': ('rosw = ["s', "there is no setting 'rosw'"),
        'candidates = "@found"': ('candidates = "@fuond"', "no earlier step is called 'fuond'"),
    }
    text = recipe.read_text()
    for old, (new, message) in wrong.items():
        recipe.write_text(text.replace(old, new, 1))
        assert message in refused(recipe)
        # Without --dry-run too, before the first step begins.
        done = CliRunner().invoke(app, ["run", str(recipe)])
        assert (done.exit_code, message in done.stderr) == (2, True)
        assert not (tmp_path / "out").exists()


def test_a_rate_is_measured_once_for_each_backbone_and_loss(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def timed(settings: TrainSettings, passages: int) -> Pace:
        asked.append((settings.backbone, settings.loss, passages))
        return Pace(tokens_per_second=500, tokens_per_pair=90, steps=3, device="cpu")

    monkeypatch.setattr("rankgen.students.training.pace.made_up_pace", timed)
    shown = forecast(recipe, "--measure", "--set", "two.loss=adr-mse")
    # A student has the shape of the backbone that it began with.
    assert asked == [("encoder", "ranknet", 100), ("encoder", "adr-mse", 50)]
    assert "training at 500 tokens/s: measured on 3 steps of encoder with ranknet on cpu" in shown


def test_made_up_lists_are_as_long_as_those_of_ms_marco() -> None:
    lists = made_up_lists(30, 20, with_scores=False)
    words = [len(text.split()) for text in lists.documents.values()]
    assert sum(words) / len(words) == pytest.approx(84, abs=1)
    assert len(set(words)) > 40
    assert {len(ranked.doc_ids) for ranked in lists.lists} == {20}


def test_a_validated_training_is_never_shorter_than_its_patience() -> None:
    settings = StudentSettings.model_validate(
        {"validation": ["a"], "validation_qrels": ["b"], "epochs": 1000, "patience_steps": 100}
    )
    few = training_cost(settings, Lists(320, 10), validation_pairs=0)
    many = training_cost(settings, Lists(32_000, 10), validation_pairs=0)
    assert (few.steps, many.steps) == (100, 1000)
    watched = training_cost(settings, Lists(320, 10), validation_pairs=500)
    # At the start and after every 50 steps.
    assert watched.validated == 3 * 500 * 95
    assert watched.trained == watched.tokens + watched.validated / 3
