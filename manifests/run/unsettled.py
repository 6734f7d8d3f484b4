"""Finds committed files that may not be under their public names yet, as after a kill."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path

from rankgen.manifests.run.commit_record import CommitRecord, Subject
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.object_store import is_remote, listed_objects

Stands = Callable[[Subject, str], bool]


def unsettled_records(
    run: RunDirectory, shards: int, records: Collection[CommitRecord]
) -> list[CommitRecord]:
    """Returns the records whose files are not all known to be under their public names.

    Folders are listed, which for thousands of shards is much faster than checking every file. The
    run has `shards` planned shards, and `records` are the valid ones.
    """
    tables = {subject.table for record in records for subject in record.subjects}
    stands = _in_store(run, tables) if is_remote(run.root) else _on_disk(run, tables)
    return [
        record
        for record in records
        if not all(
            stands(subject, run.shard_path(subject.table, record.shard, shards).name)
            for subject in record.subjects
        )
    ]


def _on_disk(run: RunDirectory, tables: Collection[str]) -> Stands:
    waiting = {entry.name for entry in _entries(run.attempts)}
    sizes = {
        (table, entry.name): entry.stat().st_size
        for table in tables
        for entry in _entries(run.root / table)
    }

    def stands(subject: Subject, name: str) -> bool:
        attempt = subject.attempt.split("/")[-2]
        return attempt not in waiting and sizes.get((subject.table, name)) == subject.bytes

    return stands


def _in_store(run: RunDirectory, tables: Collection[str]) -> Stands:
    """Compare attempts with their copies: in a store both stay until the run is finished."""
    attempts = listed_objects(run.attempts)
    copies = {table: listed_objects(run.root / table) for table in tables}

    def stands(subject: Subject, name: str) -> bool:
        copy = copies[subject.table].get(name)
        if copy is None or copy.size != subject.bytes:
            return False
        attempt = attempts.get("/".join(subject.attempt.split("/")[-2:]))
        return attempt is None or attempt.tag == copy.tag

    return stands


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []
