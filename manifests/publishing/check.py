"""Compares a published data set with its checksums."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.progress import progress
from rankgen.manifests.publishing.layout import ORDER, schema_of
from rankgen.manifests.publishing.statement import SUMS
from rankgen.manifests.run.run_directory import RunDirectory, read_shard
from rankgen.manifests.schema import TABLES
from rankgen.manifests.storage.digest import sha256_of_file
from rankgen.manifests.storage.shard import read_parquet

_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


@dataclass(frozen=True)
class PublishedCheck:
    """The result of a check: how many files there should be, and one sentence per problem."""

    files: int
    problems: tuple[str, ...]


def is_published(run: RunDirectory) -> bool:
    """Tells whether a folder is a published data set, and no run."""
    return not run.plan.exists() and (run.root / SUMS).exists()


def check_published(run: RunDirectory, *, reads_rows: bool = False) -> PublishedCheck:
    """Checks every file of a published data set, and that there are no other data files.

    Args:
        run: Its folder.
        reads_rows: Whether every data file is read whole and its columns are checked, too.

    Raises:
        IntegrityProblem: SHA256SUMS is damaged.
    """
    sums = _sums(run.root / SUMS)
    problems: list[str] = []
    with progress("verify", len(sums)) as shown:
        for name, digest in sums.items():
            problems += _problems_of(run.root / name, digest, reads_rows=reads_rows)
            shown.advance()
    found = [path for config in ORDER for path in sorted((run.root / config).glob("*"))]
    # Readers would take a foreign file for part of the data.
    problems += [
        f"{path} was not published with the others"
        for path in found
        if run.name_of(path) not in sums and not path.name.startswith(".")
    ]
    return PublishedCheck(len(sums), tuple(problems))


def _sums(path: Path) -> dict[str, str]:
    lines = [_LINE.fullmatch(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if not lines or any(line is None or not _is_inside(line[2]) for line in lines):
        raise IntegrityProblem(f"{path} is damaged", "fetch it again from where it was published")
    return {line[2]: line[1] for line in lines if line is not None}


def _is_inside(name: str) -> bool:
    return not Path(name).is_absolute() and ".." not in Path(name).parts


def _problems_of(path: Path, digest: str, *, reads_rows: bool) -> list[str]:
    if not path.exists():
        return [f"{path} is missing, although {SUMS} names it"]
    if sha256_of_file(path) != digest:
        return [f"{path} has changed since it was published (SHA-256 differs)"]
    if not reads_rows or path.suffix != ".parquet":
        return []
    config = path.parent.name
    try:
        if config in TABLES:
            read_shard(path, config)
        elif not read_parquet(path).schema.equals(schema_of(config)):
            return [f"{path} has other columns than {config}"]
    except IntegrityProblem as error:
        return [error.message]
    return []
