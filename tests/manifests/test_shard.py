"""Equal rows give equal bytes, whatever order and chunks they came in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.run.run_directory import RunDirectory, read_shard
from rankgen.manifests.schema import CANDIDATES, SCHEMA_MINOR_VERSION, TABLES
from rankgen.manifests.storage.shard import write_shard


def rows(query_ids: list[str]) -> pa.Table:
    return pa.table(
        {
            "query_id": query_ids,
            "doc_ids": [[f"d{q}", "d0"] for q in query_ids],
            "retrieval_scores": [[2.5, 1.0] for _ in query_ids],
            "candidates_sha256": ["0" * 64 for _ in query_ids],
        },
        CANDIDATES,
    )


def test_bytes_depend_on_rows_alone(tmp_path: Path) -> None:
    ids = [f"{n:03}" for n in range(300)]
    write_shard(tmp_path / "a.parquet", "candidates", rows(ids), "f")
    pieces = pa.concat_tables([rows(ids[100:][::-1]), rows(ids[:100])])
    write_shard(tmp_path / "b.parquet", "candidates", pieces, "f")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert read_shard(tmp_path / "a.parquet", "candidates")["query_id"].to_pylist() == ids


def test_the_footer_names_table_version_and_recipe(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.parquet", "candidates", rows(["1"]), "abc")
    metadata = pq.read_schema(tmp_path / "a.parquet").metadata
    assert metadata[b"rankgen.fingerprint"] == b"abc"
    assert metadata[b"rankgen.schema_version"] == f"1.{SCHEMA_MINOR_VERSION}".encode()
    assert metadata[b"rankgen.table"] == b"candidates"


def test_hidden_drafts_are_no_shards(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    write_shard(run.shard_path("candidates", 0, 1), "candidates", rows(["1"]), "f")
    (tmp_path / "candidates" / ".train-00000-of-00001.parquet.x.draft").write_bytes(b"half")
    assert [c.query_id for c in run.candidates()] == ["1"]


# A column that a later minor version adds, to a table of any kind.
LATER = pa.schema([*CANDIDATES, pa.field("teacher_scores", pa.list_(pa.float32()))])


def test_a_column_that_came_later_is_null_in_shards_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    write_shard(path, "candidates", rows(["1", "2"]), "f")
    monkeypatch.setitem(TABLES, "candidates", LATER)
    read = read_shard(path, "candidates")
    assert read.schema.equals(LATER)
    assert read["teacher_scores"].to_pylist() == [None, None]
    some = read_shard(path, "candidates", ["query_id", "teacher_scores"])
    assert some.to_pylist() == [{"query_id": q, "teacher_scores": None} for q in "12"]
    # Rows of both kinds make one shard.
    now = pa.Table.from_pylist([{**rows(["3"]).to_pylist()[0], "teacher_scores": [2.0]}], LATER)
    write_shard(path, "candidates", pa.concat_tables([read, now]), "f")
    assert read_shard(path, "candidates")["teacher_scores"].to_pylist() == [None, None, [2.0]]


def test_a_column_that_may_be_null_today_was_required_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    write_shard(path, "candidates", rows(["1"]), "f")
    relaxed = pa.schema([f.with_nullable(f.name == "doc_ids") for f in CANDIDATES])
    monkeypatch.setitem(TABLES, "candidates", relaxed)
    assert read_shard(path, "candidates").schema.equals(relaxed)
    write_shard(path, "candidates", rows(["1"]), "f")
    monkeypatch.setitem(TABLES, "candidates", CANDIDATES)
    with pytest.raises(IntegrityProblem, match="it has the columns"):
        read_shard(path, "candidates")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda found: found.drop_columns(["doc_ids"]), "it lacks the column doc_ids"),
        (lambda found: found.append_column("more", found["query_id"]), "it has the columns"),
        (lambda found: found.set_column(1, "doc_ids", found["query_id"]), "it has the columns"),
        (lambda found: found.select(found.column_names[::-1]), "it has the columns"),
    ],
)
def test_other_columns_are_refused_in_one_sentence(
    tmp_path: Path, change: Callable[[pa.Table], pa.Table], problem: str
) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(change(rows(["1"])), path)
    version = f"1.{SCHEMA_MINOR_VERSION}"
    sentence = f"a.parquet is not a shard of candidates version {version} or earlier: {problem}"
    with pytest.raises(IntegrityProblem, match=sentence) as caught:
        read_shard(path, "candidates")
    assert caught.value.hint == "was it written by another version of rankgen?"
    if "lacks" in problem:
        with pytest.raises(IntegrityProblem, match=problem):
            read_shard(path, "candidates", ["query_id", "doc_ids"])
