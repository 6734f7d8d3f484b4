"""Recipes: an experiment as an ordered list of commands, in TOML.

A step is a command with its options; it publishes into `<out>/<step name>`. A value may refer to
what an earlier step published: `@candidates`, `@collection/qrels/test.tsv`, `fuse:@bm25,@colbert`.
A step whose result is there already, somewhere else, can be told to reuse it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, Field, JsonValue

from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.manifests.recipes import shipped_recipes
from rankgen.manifests.recipes.estimates import Lists, Rates
from rankgen.manifests.validation import validated

# A reference may begin a value, its argument, or one of several arguments.
REFERENCE = re.compile(r"(?:^|(?<=[:,=]))@([^,]+)")
TomlValue = str | int | float | bool | list[str | int | float] | dict[str, JsonValue]


class Step(BaseModel, frozen=True, extra="forbid"):
    """One command with its options.

    Attributes:
        name: Also that of the folder it publishes into.
        options: Option -> value; option names as on the command line, with `_` for `-`.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    command: str
    options: dict[str, TomlValue] = {}


class Recipe(BaseModel, frozen=True, extra="forbid"):
    """An experiment: its steps in order, whose folders are in `out`.

    Attributes:
        steps: The steps in order.
        rates: Rates for forecasts.
        sizes: Step -> what it publishes where its settings do not say it; for forecasts alone.
        reused: Step -> the folder of its result, instead of running it.
    """

    name: str
    about: str = ""
    out: Path
    steps: tuple[Step, ...] = Field(min_length=1)
    rates: Rates = Rates()
    sizes: dict[str, Lists] = {}
    reused: dict[str, Path] = {}

    def step_options(self, step: Step) -> dict[str, object]:
        """Returns the step's options, with `out` added and references replaced by paths."""
        resolved: dict[str, object] = {
            key: [self._resolve(item) for item in value]
            if isinstance(value, list)
            else self._resolve(value)
            for key, value in step.options.items()
        }
        return {**resolved, "out": self.out / step.name}

    def folder(self, name: str) -> Path:
        """Returns the folder of a step's result."""
        return self.reused.get(name, self.out / name)

    def needs(self, step: Step) -> tuple[str, ...]:
        """Returns the steps whose results a step refers to, each once."""
        named = [
            found[1].partition("/")[0]
            for value in step.options.values()
            for item in (value if isinstance(value, list) else [value])
            if isinstance(item, str)
            for found in REFERENCE.finditer(item)
        ]
        return tuple(dict.fromkeys(named))

    def _resolve(self, value: TomlValue) -> object:
        if not isinstance(value, str):
            return value
        return REFERENCE.sub(lambda found: self._referred(found[1]), value)

    def _referred(self, reference: str) -> str:
        name, _, inside = reference.partition("/")
        return str(self.folder(name) / inside)


def load_recipe(
    named: str,
    commands: Sequence[str],
    overrides: Sequence[str] = (),
    out: Path | None = None,
    reused: Sequence[str] = (),
) -> Recipe:
    """Reads a recipe file, or a shipped recipe by its name, and applies overrides.

    Args:
        named: A path, or a name such as "quickstart".
        commands: The commands that a step may use.
        overrides: `STEP.OPTION=VALUE` each, the value in TOML or a bare word.
        out: Replaces the recipe's own `out`.
        reused: `STEP=FOLDER` each, a result that is taken instead of running the step.

    Raises:
        UsageError: There is no such recipe, it is not valid TOML, it has an unknown key, command
            or step, it refers to something that is not an earlier step, or a folder to be reused
            is not there.
    """
    path = _recipe_path(named)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}", "correct the file") from None
    where = f"recipe {path.name}"
    content["steps"] = [_step(raw, where) for raw in content.pop("step", [])]
    if out is not None:
        content["out"] = out
    for override in overrides:
        _apply(content, override)
    if "reused" in content:
        raise UsageError(f"{where}: there is no setting 'reused'", "type --reuse STEP=FOLDER")
    content["reused"] = dict(_reused(text) for text in reused)
    recipe = validated(Recipe, content, where)
    if recipe.out.parts[:1] == ("s3:",):
        raise UsageError(
            f"{where}: the output folder of a recipe cannot be on S3",
            "choose a folder on a disk, or run the commands one by one",
        )
    _check(recipe, commands, where)
    return recipe


def _step(raw: Mapping[str, TomlValue], where: str) -> dict[str, object]:
    missing = [key for key in ("name", "command") if key not in raw]
    if missing:
        raise UsageError(f"{where}: a [[step]] has no {missing[0]}", f'add {missing[0]} = "…"')
    options = {key: value for key, value in raw.items() if key not in ("name", "command")}
    return {"name": raw["name"], "command": raw["command"], "options": options}


def _recipe_path(named: str) -> Path:
    shipped = shipped_recipes()
    if named in shipped:
        return shipped[named]
    path = Path(named)
    if not path.is_file():
        raise UsageError(f"there is no recipe '{named}'", did_you_mean(named, shipped))
    return path


def _apply(content: dict[str, object], override: str) -> None:
    target, equals, text = override.partition("=")
    step_name, dot, option = target.partition(".")
    if not equals or not dot or not option:
        raise UsageError(
            f"--set needs STEP.OPTION=VALUE, not '{override}'",
            "for example --set student.max_steps=100",
        )
    steps = content["steps"]
    assert isinstance(steps, list)
    by_name = {step["name"]: step for step in steps}
    if step_name not in by_name:
        raise UsageError(
            f"'{override}' does not name a step of the recipe", did_you_mean(step_name, by_name)
        )
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    by_name[step_name]["options"][option] = value


def _reused(text: str) -> tuple[str, Path]:
    name, equals, folder = text.partition("=")
    if not equals or not name or not folder:
        raise UsageError(f"--reuse needs STEP=FOLDER, not '{text}'", "name the step and its result")
    if not Path(folder).is_dir():
        raise UsageError(
            f"there is no folder {folder} to reuse for the step '{name}'", "check the path: --reuse"
        )
    return name, Path(folder)


def _check(recipe: Recipe, commands: Sequence[str], where: str) -> None:
    earlier: list[str] = []
    for step in recipe.steps:
        if step.command not in commands:
            raise UsageError(
                f"{where}, step '{step.name}': there is no command '{step.command}'",
                did_you_mean(step.command, commands),
            )
        if step.name in earlier:
            raise UsageError(f"{where}: two steps are called '{step.name}'", "rename one")
        for key, value in step.options.items():
            for item in value if isinstance(value, list) else [value]:
                _check_reference(item, earlier, f"{where}, step '{step.name}', {key}")
        earlier.append(step.name)
    for section, names in (("--reuse", list(recipe.reused)), ("[sizes]", list(recipe.sizes))):
        for name in names:
            if name not in earlier:
                raise UsageError(
                    f"{where}, {section}: no step is called '{name}'", did_you_mean(name, earlier)
                )


def _check_reference(value: TomlValue, earlier: Sequence[str], where: str) -> None:
    if not isinstance(value, str):
        return
    for found in REFERENCE.finditer(value):
        name = found[1].split("/")[0]
        if name not in earlier:
            raise UsageError(
                f"{where}: no earlier step is called '{name}'", did_you_mean(name, earlier)
            )
