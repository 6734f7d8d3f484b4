"""Equal rows give equal bytes, whatever order and chunks they came in."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rankgen.manifests.run_directory import RunDirectory, read_shard
from rankgen.manifests.schema import CANDIDATES
from rankgen.manifests.shard import write_shard


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
    assert metadata[b"rankgen.schema_version"] == b"1"
    assert metadata[b"rankgen.table"] == b"candidates"


def test_hidden_drafts_are_no_shards(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    write_shard(run.shard_path("candidates", 0, 1), "candidates", rows(["1"]), "f")
    (tmp_path / "candidates" / ".train-00000-of-00001.parquet.x.draft").write_bytes(b"half")
    assert [c.query_id for c in run.candidates()] == ["1"]
