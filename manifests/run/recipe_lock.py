"""Guards an output folder: one recipe and one data set, or an error that shows the difference."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.atomic import write_whole
from rankgen.manifests.storage.digest import sha256_of_file, sha256_of_lines

Facts = Mapping[str, object]


def tables_digest(run: RunDirectory, tables: tuple[str, ...]) -> str:
    """Returns a digest of the published shards of some tables: their names and their bytes.

    Raises:
        IntegrityProblem: Of a table some shards are missing.
    """
    for table in tables:
        _refuse_gaps(run, table)
    paths = [path for table in tables for path in run.shard_paths(table)]
    return sha256_of_lines(
        line for path in paths for line in (run.name_of(path), sha256_of_file(path))
    )


def _refuse_gaps(run: RunDirectory, table: str) -> None:
    """Refuses a folder that was copied in part: each shard's name says how many there are."""
    paths = run.shard_paths(table)
    told = {path.stem.rpartition("-of-")[2] for path in paths}
    if paths and all(map(str.isdecimal, told)) and {int(count) for count in told} != {len(paths)}:
        raise IntegrityProblem(
            f"{run.root} has {len(paths):,} of the {max(map(int, told)):,} shards of {table}",
            "copy the whole folder, or repeat the command that made it",
        )


def check_recipe(
    path: Path, facts: Facts, modernised: Callable[[Facts], Facts] = lambda held: held
) -> None:
    """Compares the facts that work in a folder began with to the current ones.

    Args:
        path: The file that `write_recipe` wrote, in the .rankgen folder of the output.
        facts: The current recipe and digests of the data, as JSON values.
        modernised: Converts facts that an earlier version wrote into those of this version.

    Raises:
        UsageError: They differ; the message shows how.
        IntegrityProblem: The file is missing or cannot be read.
    """
    try:
        held = modernised(dict(json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError):
        raise IntegrityProblem(
            f"cannot read {path}, so the recipe of {path.parent.parent} is unknown",
            "choose another --out",
        ) from None
    differing = differences(held, facts)
    if differing:
        raise UsageError(
            f"{path.parent.parent} was begun with other settings: {'; '.join(differing)}",
            "choose another --out, or give the settings it was begun with",
        )


def write_recipe(path: Path, facts: Facts) -> None:
    """Writes the facts that the work in a folder begins with."""
    write_whole(path, (json.dumps(facts, indent=2, sort_keys=True) + "\n").encode())


def differences(held: Facts, given: Facts) -> list[str]:
    """Returns one phrase per fact that differs, such as "seed: 1 there, 2 now".

    A fact that one side lacks, as an earlier version may, counts as nothing.
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
