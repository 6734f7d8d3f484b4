"""Guards an output folder: one recipe and one data set, or an error that shows the difference."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import get_args

from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.atomic import write_whole
from rankgen.manifests.storage.digest import sha256_of_file, sha256_of_lines
from rankgen.students.choices import Precision

Facts = Mapping[str, object]


def tables_digest(run: RunDirectory, tables: tuple[str, ...]) -> str:
    """Returns one digest of the published shards of some tables: their names and their bytes."""
    lines: list[str] = []
    for table in tables:
        for path in run.shard_paths(table):
            lines += [f"{table}/{path.name}", sha256_of_file(path)]
    return sha256_of_lines(lines)


def check_recipe(
    path: Path, facts: Facts, modernised: Callable[[Facts], Facts] = lambda held: held
) -> None:
    """Compares the facts that work was begun with to those of now.

    Args:
        path: Where `write_recipe` put them, below the output's .rankgen folder.
        facts: JSON values: the recipe and the digests of the data.
        modernised: Turns the facts that an earlier version wrote into those of this one.

    Raises:
        UsageError: They differ; the message shows in what.
        IntegrityProblem: The file is missing or cannot be read.
    """
    try:
        held = modernised(dict(json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError):
        raise IntegrityProblem(
            f"{path} cannot be read, so nobody knows what made {path.parent.parent}",
            "choose another --out",
        ) from None
    differing = differences(held, facts)
    if differing:
        raise UsageError(
            f"{path.parent.parent} was begun with other settings: {'; '.join(differing)}",
            "choose another --out, or give the settings it was begun with",
        )


def held_precision(path: Path) -> Precision | None:
    """Returns the precision that work was begun with, or None where it is not written down."""
    try:
        held = json.loads(path.read_text(encoding="utf-8")).get("precision")
    except (OSError, ValueError, AttributeError):
        return None
    return held if held in get_args(Precision) else None


def write_recipe(path: Path, facts: Facts) -> None:
    """Writes down what the work in this folder is begun with."""
    write_whole(path, (json.dumps(facts, indent=2, sort_keys=True) + "\n").encode())


def differences(held: Facts, given: Facts) -> list[str]:
    """Returns one phrase for every fact that differs, such as "seed: 1 there, 2 now".

    A setting that an earlier version did not have is one that was not given.
    """
    return [
        f"{name}: {_shown(held.get(name))} there, {_shown(given.get(name))} now"
        for name in sorted(held.keys() | given.keys())
        if held.get(name) != given.get(name)
    ]


def _shown(value: object) -> str:
    if isinstance(value, str) and value.startswith("sha256:"):
        return f"{value[:19]}…"
    return "nothing" if value is None else json.dumps(value)
