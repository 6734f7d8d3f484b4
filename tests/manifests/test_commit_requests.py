"""What a commit costs in a store: a fixed number of requests, however many came before it."""

from __future__ import annotations

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from toy_ledger import FINGERPRINT, PLANNED, accept, attempt

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.run.commit_record import Attempt
from rankgen.manifests.run.ledger import Ledger
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.schema import DOCUMENTS
from rankgen.manifests.storage.atomic import remove_tree, whole_file, write_whole
from rankgen.manifests.storage.object_store import open_root
from rankgen.manifests.storage.shard import write_shard


@pytest.fixture
def root(s3_bucket: str) -> Path:
    return open_root(f"{s3_bucket}/{uuid.uuid4().hex}")


def two_tables(run: RunDirectory, name: str, shard: int) -> Attempt:
    """Writes an attempt at a shard of two tables, as a labelled one has."""
    made = attempt(run, name).model_copy(update={"shard": shard})
    documents = [{"doc_id": f"d{n}", "title": "", "text": "passage"} for n in range(3)]
    with whole_file(run.attempts / name / "documents.parquet") as draft:
        write_shard(draft, "documents", pa.Table.from_pylist(documents, DOCUMENTS), FINGERPRINT)
    return made


def test_a_commit_of_n_files_is_2n_and_2_requests_however_many_came_before(
    root: Path, s3_requests: Counter[str]
) -> None:
    run, tables = RunDirectory(root), ["queries", "documents"]
    ledger = Ledger(run, FINGERPRINT, 4, tables)
    for shard in range(3):
        made = two_tables(run, f"a{shard}", shard)
        s3_requests.clear()
        assert ledger.commit(made, PLANNED, accept)
        # Two files are read, and a later revision is looked for.
        assert s3_requests == {"GET": 3, "PUT": 1, "COPY": 2}
    s3_requests.clear()
    assert ledger.settle().keys() == {0, 1, 2}
    assert set(s3_requests) <= {"LIST", "HEAD"}, "its own records are known, and its copies stand"


def test_whoever_resumes_asks_for_listings_and_records_only(
    root: Path, s3_requests: Counter[str]
) -> None:
    run, tables = RunDirectory(root), ["queries", "documents"]
    for shard in range(3):
        Ledger(run, FINGERPRINT, 4, tables).commit(
            two_tables(run, f"a{shard}", shard), PLANNED, accept
        )
    torn = run.shard_path("documents", 1, 4)
    whole = torn.read_bytes()
    for damage in (lambda: write_whole(torn, b"x"), lambda: remove_tree(torn)):
        damage()
        s3_requests.clear()
        assert Ledger(run, FINGERPRINT, 4, tables).settle().keys() == {0, 1, 2}
        assert torn.read_bytes() == whole
        assert s3_requests["COPY"] == len(tables), "only the unsettled shard is published again"


def test_the_loser_of_a_race_learns_it_and_leaves_the_winners_files(root: Path) -> None:
    run, tables = RunDirectory(root), ["queries", "documents"]
    attempts = [two_tables(run, f"a{n}", 0) for n in range(6)]
    drivers = [Ledger(run, FINGERPRINT, 4, tables) for _ in attempts]
    with ThreadPoolExecutor(len(attempts)) as pool:
        won = list(pool.map(lambda d, a: d.commit(a, PLANNED, accept), drivers, attempts))
    assert won.count(True) == 1
    named = {subject.attempt.split("/")[-2] for subject in drivers[0].records()[0].subjects}
    assert named == {attempts[won.index(True)].name}
    assert {path.parent.name for path in run.attempts.glob("*/*.parquet")} == named


def test_a_removed_attempt_of_a_committed_shard_came_second(root: Path) -> None:
    run, tables = RunDirectory(root), ["queries", "documents"]
    ledger, late = Ledger(run, FINGERPRINT, 1, tables), two_tables(run, "late", 0)
    assert ledger.commit(two_tables(run, "first", 0), PLANNED, accept)
    ledger.discard_work_in_progress()
    assert not Ledger(run, FINGERPRINT, 1, tables).commit(late, PLANNED, accept)
    lost = late.model_copy(update={"shard": 0, "revision": 1})
    with pytest.raises(IntegrityProblem, match="late cannot be read"):
        ledger.commit(lost, PLANNED, accept)
