"""Every option is written once: command line, recipes, Python and documentation have the same."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest
from write_pages import pages

import rankgen
from rankgen.generator.cli import loaded_command
from rankgen.generator.commands.from_models import flags_of, settings_of
from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.registry import COMMANDS, STEPS, function_of
from rankgen.manifests.errors import UsageError
from rankgen.manifests.options import Option, Settings, accepted, options_of, range_of
from rankgen.manifests.recipes import shipped_recipes
from rankgen.manifests.recipes.recipe import load_recipe
from rankgen.manifests.validation import validated

ROOT = Path(__file__).resolve().parents[1]
# Where and how the command itself is run; a recipe has no say in it.
APART = {"as_json", "overrides"}


def models_of(name: str) -> list[type[Settings]]:
    return list(settings_of(function_of(name)).values())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_what_its_models_say(name: str) -> None:
    fields = {
        n: (field, option) for model in models_of(name) for n, field, option, _ in options_of(model)
    }
    parameters = {str(p.name): p for p in loaded_command(name).params if p.name != "context"}
    assert parameters.keys() == fields.keys()
    for setting, (field, option) in fields.items():
        parameter = parameters[setting]
        assert parameter.required == field.is_required()
        if not field.is_required() and field.default_factory is None:
            default = list(field.default) if isinstance(field.default, tuple) else field.default
            assert parameter.default in (default, field.default, None if default == [] else default)
        if not option.is_argument and setting not in APART:
            assert "--" + setting.replace("_", "-") in parameter.opts


@pytest.mark.parametrize("name", STEPS)
def test_a_recipe_reaches_every_setting_of_a_command(name: str) -> None:
    work, *_ = models_of(name)
    assert [setting for setting, _, _, _ in options_of(work)]
    assert {setting for setting, _, _, _ in options_of(work)} == set(work.model_fields)
    with pytest.raises(UsageError, match="there is no setting 'ouut'") as refused:
        validated(work, {"ouut": "x"}, "recipe")
    assert "'out'" in str(refused.value.hint)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_and_documentation_name_every_option_and_every_word_it_accepts(name: str) -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    section = page.split(f"## rankgen {name}\n")[1].split("\n## ")[0]
    rows = {line.split("`")[1]: line for line in section.splitlines() if line.startswith("| `")}
    shown = (ROOT / "docs" / "help" / f"{name}.txt").read_text(encoding="utf-8")
    # A long list of words is broken over the lines of its cell.
    lists = words_of_help(shown)
    for model in models_of(name):
        for setting, field, option, _ in options_of(model):
            flag = setting.upper() if option.is_argument else flags_of(setting, option)[0]
            assert option.help.replace("|", "\\|") in rows[flag]
            assert range_of(field) in rows[flag]
            assert "\\|".join(accepted(field)) in rows[flag]
            assert option.is_argument or flag in shown
            if len(accepted(field)) > 1:
                assert any("|".join(accepted(field)) in words for words in lists), setting


def words_of_help(shown: str) -> list[str]:
    """Returns the lists of words in each box of a help page, joined over their lines."""
    parts = re.compile(r"[a-z0-9_-]+(?:\|[a-z0-9_-]*)+|(?<= )\|[a-z|]+")
    return ["".join(parts.findall(box)) for box in shown.split("╭─")]


def test_the_pages_are_those_of_the_settings() -> None:
    held = {path: (ROOT / "docs" / path).read_text(encoding="utf-8") for path in pages()}
    assert held == pages(), "run `make docs`"


def test_python_has_the_settings_of_the_commands() -> None:
    for name in ("retrieve", "label", "train-student", "evaluate"):
        step = getattr(rankgen, name.replace("-", "_"))
        work, *_ = models_of(name)
        assert set(inspect.signature(step).parameters) == set(work.model_fields)
        assert all(option.help in step.__doc__ for _, _, option, _ in options_of(work))
    with pytest.raises(UsageError, match="label: there is no setting 'teecher'"):
        rankgen.label(teecher="minilm")  # type: ignore[call-arg]  # on purpose
    with pytest.raises(AttributeError, match="no attribute 'rerunk'"):
        rankgen.rerunk  # type: ignore[attr-defined]  # noqa: B018  # on purpose


def test_no_setting_says_twice_what_it_accepts() -> None:
    for name in COMMANDS:
        for model in models_of(name):
            for setting, field, option, _ in options_of(model):
                assert option.help.endswith("."), (name, setting)
                assert not option.help.startswith("Of "), (name, setting)
                assert isinstance(option, Option)
                # A default is in the model, in words only where its value says little.
                assert (
                    option.shown is None
                    or field.default in (None, (), ("nDCG@10",))
                    or (field.default_factory is not None)
                ), (name, setting)


def test_commands_have_no_options_of_their_own() -> None:
    for path in (ROOT / "generator" / "commands").rglob("*.py"):
        calls = [
            ast.unparse(node.func)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call)
        ]
        if path.name != "from_models.py":
            assert not {"typer.Option", "typer.Argument", "locals"} & set(calls), path


def test_shipped_recipes_are_read_by_the_models() -> None:
    for recipe in (load_recipe(name, STEPS) for name in shipped_recipes()):
        for step in recipe.steps:
            work, *_ = models_of(step.command)
            validated(work, recipe.step_options(step), step.name)


def test_every_result_can_be_printed_as_json() -> None:
    without = {name for name in COMMANDS if Printing not in models_of(name)}
    assert without == {"run", "quickstart"}
