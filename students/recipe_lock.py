"""Guards an output folder: one recipe and one data set, or an error that shows the difference."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from rankgen.manifests.atomic import write_whole
from rankgen.manifests.digest import sha256_of_file, sha256_of_lines
from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.run_directory import RunDirectory
from rankgen.students.choices import Precision

Facts = Mapping[str, object]


def tables_digest(run: RunDirectory, tables: tuple[str, ...]) -> str:
    """Returns one digest of the published shards of some tables: their names and their bytes."""
    lines: list[str] = []
    for table in tables:
        for path in run.shard_paths(table):
            lines += [f"{table}/{path.name}", sha256_of_file(path)]
    return sha256_of_lines(lines)


def check_recipe(path: Path, facts: Facts) -> None:
    """Compares the facts that work was begun with to those of now.

    Args:
        path: Where `write_recipe` put them, below the output's .rankgen folder.
        facts: JSON values: the recipe and the digests of the data.

    Raises:
        UsageError: They differ; the message shows in what.
        IntegrityProblem: The file is missing or cannot be read.
    """
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
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
    """Returns one phrase for every fact that differs, such as "seed: 1 there, 2 now"."""
    absent = object()
    phrases = []
    for name in sorted(held.keys() | given.keys()):
        before, now = held.get(name, absent), given.get(name, absent)
        if before != now:
            there = "nothing" if before is absent else json.dumps(before)
            here = "nothing" if now is absent else json.dumps(now)
            phrases.append(f"{name}: {there} there, {here} now")
    return phrases
