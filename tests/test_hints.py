"""Every option that a message, a help text or the README names exists on the command line."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperCommand

from rankgen.generator.cli import loaded_command
from rankgen.generator.commands.from_models import settings_of
from rankgen.generator.commands.registry import COMMANDS, STEPS, function_of
from rankgen.manifests.recipes import shipped_recipes
from rankgen.manifests.recipes.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("manifests", "retrieval", "generator", "students")
OPTION = re.compile(r"(?<![\w-])--[a-z][A-Za-z0-9-]*")
COMMAND = re.compile(r"\brankgen ([a-z]+(?:-[a-z]+)*)")
SETTING = re.compile(r"--set ([a-z_0-9.]+)=")
# Options of other programs, by the file that names them.
FOREIGN = {
    "students/shipping/snippets.py": {"--runner", "--dtype"},
    "retrieval/bm25/index.py": {"--input", "--generator"},
    "retrieval/bm25/stored_index.py": {"--output"},
    "retrieval/bm25/index_documents.py": {"--storeRaw"},
    "generator/shards/cluster_token.py": {"--head"},
    "generator/shards/ray_start.py": {"--head"},
    # Of the program alone, without a command.
    "generator/cli.py": {"--version"},
    "generator/doctor/compilers.py": {"--version"},
    "generator/doctor/gpus.py": {"--gpus"},
    "generator/doctor/packages.py": {"--no-deps", "--no-build-isolation"},
    "generator/doctor/ray_cluster.py": {"--address", "--num-cpus"},
    "generator/doctor/room.py": {"--shm-size"},
    "CONTRIBUTING.md": {"--strict", "--grep"},
    "README.md": {"--no-deps"},
}
# Custom properties of the report's style sheet.
STYLE = {"--dim", "--ink", "--line", "--paper", "--wash", "--accent", "--first"}


@functools.cache
def commands() -> dict[str, TyperCommand]:
    return {name: loaded_command(name) for name in COMMANDS}


def options_of(command: TyperCommand) -> set[str]:
    names = {name for parameter in command.params for name in (*parameter.opts,)}
    names |= {name for parameter in command.params for name in parameter.secondary_opts}
    # `--debug` may stand anywhere; `--help` is click's own.
    return {name for name in names if name.startswith("--")} | {"--help", "--debug"}


def strings_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yields (line, text) of every string; the parts of an f-string are joined by a blank mark."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
            yield node.lineno, "".join(str(part) for part in parts)
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner
        ):
            yield node.lineno, node.value


def unknown_options(text: str) -> list[str]:
    """Returns the options in `text` that the command it names, or no command, has."""
    known = set().union(*(options_of(command) for command in commands().values()))
    wrong = [option for option in OPTION.findall(text) if option not in known]
    for start in COMMAND.finditer(text):
        command = commands().get(start[1])
        if command is None:
            continue
        # The command's own words end with its line, its backticks or the sentence.
        words = re.split(r"[`\n;]|\. |, ", text[start.end() :], maxsplit=1)[0]
        wrong += [
            f"{start[1]} {option}"
            for option in OPTION.findall(words)
            if option not in options_of(command)
        ]
    return wrong


@pytest.mark.parametrize("room", ROOMS)
def test_options_in_strings_exist(room: str) -> None:
    wrong = []
    for path in sorted((ROOT / room).rglob("*.py")):
        name = str(path.relative_to(ROOT))
        exempt = FOREIGN.get(name, set()) | (STYLE if path.name.startswith("report") else set())
        for line, text in strings_of(path):
            wrong += [f"{name}:{line} {o}" for o in unknown_options(text) if o not in exempt]
    assert wrong == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_options_in_the_documents_exist(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    found = [option for line in lines for option in unknown_options(line)]
    assert set(found) - FOREIGN[name] == set()


def test_settings_named_after_set_exist() -> None:
    recipes = [load_recipe(name, STEPS) for name in shipped_recipes()]
    known = {"step.option"}
    for step in (step for recipe in recipes for step in recipe.steps):
        model, *_ = settings_of(function_of(step.command)).values()
        known |= {f"{step.name}.{option}" for option in model.model_fields}
    paths = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    texts = [text for path in paths for _, text in strings_of(path)]
    texts += [
        (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md")
    ]
    named = {setting for text in texts for setting in SETTING.findall(text)}
    assert {"student.max_steps", "student.max_minutes"} <= named
    assert named - known == set()


def test_the_scan_finds_what_it_is_for() -> None:
    assert unknown_options("lower --querry-tokens") == ["--querry-tokens"]
    assert unknown_options("repeat with `rankgen status X --full`") == ["status --full"]
    assert unknown_options("repeat with `rankgen verify X --full`, or lower --depth") == []
    assert SETTING.findall("--set query_tokens=N or --set student.max_steps=X") == [
        "query_tokens",
        "student.max_steps",
    ]
