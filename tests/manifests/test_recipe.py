"""Recipes: references, overrides, and errors that name the step."""

from __future__ import annotations

from pathlib import Path

import pytest

from rankgen.manifests.errors import UsageError
from rankgen.manifests.recipes import shipped_recipes
from rankgen.manifests.recipes.recipe import load_recipe

COMMANDS = ["retrieve", "label", "evaluate"]
TEXT = """
name = "small"
out = "runs"
[[step]]
name = "found"
command = "retrieve"
depth = 50
[[step]]
name = "report"
command = "evaluate"
rankings = ["@found", "elsewhere"]
qrels = "@found/qrels.tsv"
"""


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "small.toml"
    path.write_text(text)
    return str(path)


def test_references_become_paths_and_overrides_apply(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, TEXT), COMMANDS, ["found.depth=7", "found.retriever=bm25"])
    first, second = recipe.steps
    assert recipe.step_options(first) == {
        "depth": 7,
        "retriever": "bm25",
        "out": Path("runs/found"),
    }
    assert recipe.step_options(second)["rankings"] == ["runs/found", "elsewhere"]
    moved = load_recipe(write(tmp_path, TEXT), COMMANDS, out=tmp_path)
    assert moved.step_options(second)["qrels"] == f"{tmp_path}/found/qrels.tsv"


def test_values_may_be_lists_of_numbers_and_names_with_references(tmp_path: Path) -> None:
    more = '[[step]]\nname = "grid"\ncommand = "evaluate"\ndepths = [10, 25]\n'
    more += 'rankings = ["bm25=@found", "far=s3://bucket/a@b,@found/qrels.tsv"]\n'
    recipe = load_recipe(write(tmp_path, TEXT + more), COMMANDS)
    options = recipe.step_options(recipe.steps[2])
    assert options["depths"] == [10, 25]
    assert options["rankings"] == [
        "bm25=runs/found",
        "far=s3://bucket/a@b,runs/found/qrels.tsv",
    ]
    with pytest.raises(UsageError, match="no earlier step is called 'fuond'"):
        load_recipe(write(tmp_path, TEXT + more.replace("=@found", "=@fuond")), COMMANDS)


def test_an_editor_s_byte_order_mark_is_no_part_of_a_recipe(tmp_path: Path) -> None:
    expected = load_recipe(write(tmp_path, TEXT), COMMANDS)
    assert load_recipe(write(tmp_path, "\ufeff" + TEXT), COMMANDS) == expected


def test_references_stand_in_arguments_too(tmp_path: Path) -> None:
    fused = '[[step]]\nname = "both"\ncommand = "retrieve"\nretriever = "fuse:@found,@report"\n'
    recipe = load_recipe(write(tmp_path, TEXT + fused), COMMANDS)
    assert recipe.step_options(recipe.steps[2])["retriever"] == "fuse:runs/found,runs/report"
    wrong = write(tmp_path, TEXT + fused.replace("@report", "@reprot"))
    with pytest.raises(UsageError, match="no earlier step is called 'reprot'"):
        load_recipe(wrong, COMMANDS)


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        (("@found/", "@fuond/"), "no earlier step is called 'fuond'", "'found'"),
        (('"evaluate"', '"evalute"'), "there is no command 'evalute'", "'evaluate'"),
        (('name = "report"', 'name = "found"'), "two steps are called 'found'", "rename"),
        (('out = "runs"', 'outt = "runs"'), "there is no setting 'outt'", "'out'"),
        (('name = "small"', "name = "), "is not valid TOML", "correct the file"),
        (('command = "retrieve"', "x = 1"), "has no command", "add command"),
    ],
)
def test_wrong_recipes_are_explained(
    tmp_path: Path, change: tuple[str, str], message: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load_recipe(write(tmp_path, TEXT.replace(*change)), COMMANDS)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("override", ["depth=3", "found.depth", "fund.depth=3"])
def test_wrong_overrides_are_explained(tmp_path: Path, override: str) -> None:
    with pytest.raises(UsageError, match=r"needs STEP\.OPTION=VALUE|does not name a step"):
        load_recipe(write(tmp_path, TEXT), COMMANDS, [override])


def test_unknown_names_suggest_shipped_recipes() -> None:
    assert {"quickstart", "rank-distillm-10k"} <= set(shipped_recipes())
    with pytest.raises(UsageError, match="no recipe 'quickstrat'") as caught:
        load_recipe("quickstrat", COMMANDS)
    assert caught.value.hint == "did you mean 'quickstart'?"
