"""The commit ledger: a shard exists once its record does, and not before.

Order of a commit: the attempt's files are written and fsynced, re-opened and validated, hashed; the
record is created unless it exists (it alone decides); the files are moved to their public names
(in an object store, which cannot move, copied). A kill before the record leaves garbage under
`.rankgen/attempts`; a kill after it leaves a move that `settle` finishes. Work may run twice, but
each query is published once. Different shards may be committed at the same time, in threads.

In a store a commit of N files takes 2N + 2 requests: each file is read, the record created, each
file copied, and one request checks whether a later revision overtook the copies. Nothing is listed.

A shard that was committed without some failed queries may be committed again with them, as the next
revision of the same shard; the highest revision is the valid one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
from pydantic import ValidationError

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.run.commit_record import Attempt, CommitRecord, Subject
from rankgen.manifests.run.run_directory import RunDirectory, read_shard
from rankgen.manifests.run.unsettled import unsettled_records
from rankgen.manifests.storage.atomic import (
    file_exists,
    publish,
    put_if_absent,
    read_files,
    remove_tree,
)
from rankgen.manifests.storage.digest import canonical_json, sha256_of_bytes
from rankgen.manifests.storage.object_store import is_remote, read_object

# In a store every shard takes several requests, and a run has thousands of shards.
SETTLE_THREADS = 16

Validate = Callable[[Mapping[str, pa.Table], Sequence[str], Mapping[str, str]], None]


class Ledger:
    """The commits of one run.

    Args:
        run: The run.
        fingerprint: The plan's; a record with another one is an integrity problem.
        shards: The number of planned shards.
        tables: The tables of every shard.
    """

    def __init__(
        self, run: RunDirectory, fingerprint: str, shards: int, tables: Sequence[str]
    ) -> None:
        self._run = run
        self._fingerprint = fingerprint
        self._shards = shards
        self._tables = tuple(tables)
        # By shard and revision. A record never changes, so each is read only once.
        self._known: dict[tuple[int, int], CommitRecord] = {}

    def records(self) -> dict[int, CommitRecord]:
        """Returns shard -> its valid record.

        Raises:
            IntegrityProblem: A record is damaged or belongs to another plan.
        """
        # The last revision of a shard replaces the earlier ones.
        paths = {_numbers_of(path)[0]: path for path in self._record_paths()}
        return {record.shard: record for record in self._read(list(paths.values()))}

    def history(self) -> list[CommitRecord]:
        """Returns every record, by shard and revision.

        Raises:
            IntegrityProblem: A record is damaged or belongs to another plan.
        """
        return self._read(self._record_paths())

    def commit(self, attempt: Attempt, planned: Sequence[str], validate: Validate) -> bool:
        """Validates an attempt, records it and publishes its files.

        Args:
            attempt: The worker's report.
            planned: The shard's query ids.
            validate: Raises an error when the tables are not what the plan promises.

        Returns:
            False if another driver has already committed this revision of the shard.

        Raises:
            IntegrityProblem: The attempt's files cannot be read or are invalid.
        """
        folder = self._run.attempts / attempt.name
        path = self._run.record_path(attempt.shard, attempt.revision)
        try:
            subjects = self._validated(attempt, folder, planned, validate)
        except IntegrityProblem:
            # A driver that finished the whole run has removed all attempts, ours among them.
            if file_exists(path):
                return self._came_second(path, folder)
            raise
        record = CommitRecord(
            shard=attempt.shard,
            revision=attempt.revision,
            fingerprint=self._fingerprint,
            subjects=subjects,
            quarantined=attempt.quarantined,
            counts=attempt.counts,
            facts=attempt.facts,
        )
        content = (canonical_json(record.model_dump(mode="json")) + "\n").encode()
        if not put_if_absent(path, content):
            return self._came_second(path, folder)
        self._known[record.shard, record.revision] = record
        self._publish(record)
        if not is_remote(folder):
            remove_tree(folder)
        return True

    def _validated(
        self, attempt: Attempt, folder: Path, planned: Sequence[str], validate: Validate
    ) -> tuple[Subject, ...]:
        """Re-opens the attempt's files, validates them and returns their entries in the record."""
        paths = [folder / f"{table}.parquet" for table in self._tables]
        try:
            files = list(zip(self._tables, paths, read_files(paths), strict=True))
        except FileNotFoundError as error:
            raise IntegrityProblem(
                f"the attempt {folder} cannot be read: {error}", "repeat the command to try again"
            ) from None
        tables = {table: read_shard(path, table, None, content) for table, path, content in files}
        validate(tables, planned, attempt.quarantined)
        return tuple(
            Subject(
                table=table,
                attempt=self._run.name_of(path),
                rows=tables[table].num_rows,
                bytes=len(content),
                sha256=sha256_of_bytes(content),
            )
            for table, path, content in files
        )

    def _came_second(self, path: Path, folder: Path) -> bool:
        """Tells whether the existing record is ours, created by a request whose answer was lost."""
        record = self._parsed(path, path.read_bytes())
        if any(
            self._run.root / subject.attempt == folder / f"{subject.table}.parquet"
            for subject in record.subjects
        ):
            self._publish(record)
            return True
        # The other driver may have finished the whole run and removed our attempt already.
        remove_tree(folder)
        return False

    def settle(self) -> dict[int, CommitRecord]:
        """Finishes the moves that a kill interrupted and returns the valid records.

        Raises:
            IntegrityProblem: A committed file is missing or has another size.
        """
        records = self.records()
        unsettled = unsettled_records(self._run, self._shards, records.values())
        with ThreadPoolExecutor(SETTLE_THREADS) as pool:
            # Reading the results raises the errors of the threads.
            list(pool.map(self._publish, unsettled))
        return records

    def discard_work_in_progress(self) -> None:
        """Removes what only an unfinished run needs; every query must be published."""
        run = self._run
        for folder in (run.attempts, run.claims, run.journal, run.batches):
            remove_tree(folder)

    def _publish(self, record: CommitRecord) -> None:
        for subject in record.subjects:
            public = self._run.shard_path(subject.table, record.shard, self._shards)
            try:
                publish(self._run.root / subject.attempt, public)
            except FileNotFoundError:
                # Published before, by us or by another driver on the same run.
                self._check_size(public, subject)
        if is_remote(self._run.root):
            # A slow copy can overwrite that of a later revision, committed meanwhile by another
            # driver. That record existed before its copy, so it is found now.
            newest = self._newest(record)
            if newest.revision > record.revision:
                self._publish(newest)

    def _newest(self, record: CommitRecord) -> CommitRecord:
        """Returns the last revision in a store; revision numbers have no gaps."""
        while True:
            path = self._run.record_path(record.shard, record.revision + 1)
            try:
                record = self._parsed(path, read_object(path))
            except FileNotFoundError:
                return record

    def _check_size(self, public: Path, subject: Subject) -> None:
        found = public.stat().st_size if public.exists() else None
        if found == subject.bytes:
            return
        state = "is missing" if found is None else f"has {found} bytes, not {subject.bytes}"
        raise IntegrityProblem(
            f"{public} {state}, although it was committed",
            f"restore the file, or check the whole run: rankgen verify {self._run.root}",
        )

    def _read(self, paths: list[Path]) -> list[CommitRecord]:
        numbers = [_numbers_of(path) for path in paths]
        new = [path for path, key in zip(paths, numbers, strict=True) if key not in self._known]
        for path, content in zip(new, read_files(new), strict=True):
            self._known[_numbers_of(path)] = self._parsed(path, content)
        return [self._known[key] for key in numbers]

    def _record_paths(self) -> list[Path]:
        """Returns the paths of all records, by shard and revision."""
        paths = self._run.commits.glob("*.json")
        return sorted((p for p in paths if not p.name.startswith(".")), key=_numbers_of)

    def _parsed(self, path: Path, content: bytes) -> CommitRecord:
        try:
            record = CommitRecord.model_validate_json(content)
        except ValidationError as error:
            raise IntegrityProblem(
                f"{path} is damaged: {error.errors()[0]['msg']}",
                "restore it from a copy, or remove it so that the shard is made again",
            ) from None
        if record.fingerprint != self._fingerprint:
            raise IntegrityProblem(
                f"{path} belongs to another recipe than the run's plan",
                "remove the record so that the shard is made again",
            )
        return record


def _numbers_of(path: Path) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{5,})\.(\d+)\.json", path.name)
    if match is None:
        raise IntegrityProblem(f"{path} is not a commit record", "move the file elsewhere")
    return int(match[1]), int(match[2])
