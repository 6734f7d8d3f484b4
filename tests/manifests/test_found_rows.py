"""Rows of a few ids are found where they are, and nothing else of a large run is read."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from made_runs import queries_of, write_candidates, write_labels

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.run.found_rows import rows_of_ids, rows_of_query
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.string_pairs import place_of

COUNT, SHARDS = 60, 12


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    folder = tmp_path_factory.mktemp("runs")
    candidates = write_candidates(folder / "candidates", COUNT)
    return write_labels(folder / "labels", candidates, shards=SHARDS)


def test_rows_are_those_of_a_whole_reading(labels: RunDirectory) -> None:
    for table in ("rankings", "windows"):
        whole = labels.read(table)
        for query in queries_of(COUNT):
            own = whole.filter(pc.equal(whole["query_id"], query.query_id))
            assert own.num_rows
            assert rows_of_query(labels, table, query.query_id).equals(own)


def test_an_unknown_id_has_no_rows(labels: RunDirectory) -> None:
    for unknown in ("", "q9999", "q0001 "):
        assert rows_of_query(labels, "rankings", unknown).num_rows == 0
        assert rows_of_ids(labels, "documents", [unknown]).num_rows == 0


def test_texts_of_some_ids(labels: RunDirectory) -> None:
    whole = labels.read("documents")
    ids = ["x/y/d0", "007/d3", "日本/d1", "none"]
    found = rows_of_ids(labels, "documents", ids)
    assert found["doc_id"].to_pylist() == sorted(ids[:3])
    assert found.to_pylist() == [row for row in whole.to_pylist() if row["doc_id"] in ids]


def test_shards_far_away_are_not_read(tmp_path: Path) -> None:
    candidates = write_candidates(tmp_path / "candidates", 120)
    run = write_labels(tmp_path / "labels", candidates, shards=24)
    paths = run.shard_paths("rankings")
    lost = pq.read_table(paths[0])["query_id"].to_pylist()
    for path in [*paths[:6], *paths[18:]]:
        path.write_bytes(b"nobody reads this")
    for query_id in pq.read_table(paths[12])["query_id"].to_pylist():
        assert rows_of_query(run, "rankings", query_id).num_rows == 1
    # An id that no shard holds would stand among those in the middle.
    absent = next(i for i in map(str, range(1_000)) if place_of(i)[0] == 128)
    assert rows_of_query(run, "rankings", absent).num_rows == 0
    with pytest.raises(IntegrityProblem, match="cannot be read"):
        rows_of_query(run, "rankings", lost[0])


@pytest.mark.parametrize("committed", [0, 5])
def test_a_run_half_done(tmp_path: Path, committed: int) -> None:
    candidates = write_candidates(tmp_path / "candidates", COUNT)
    run = write_labels(tmp_path / "labels", candidates, shards=SHARDS, committed=committed)
    done = run.read("rankings")["query_id"].to_pylist() if committed else []
    assert len(done) == committed * COUNT // SHARDS
    for query in queries_of(COUNT):
        assert rows_of_query(run, "rankings", query.query_id).num_rows == (query.query_id in done)


def test_a_folder_that_no_plan_orders(tmp_path: Path, labels: RunDirectory) -> None:
    # Such as a published data set, whose files hold many shards.
    run = RunDirectory(tmp_path / "published")
    whole: pa.Table = labels.read("rankings").sort_by("query_id")
    for shard in range(3):
        path = run.shard_path("rankings", shard, 3)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(whole.slice(shard * 20, 20), path, row_group_size=7)
    for query in queries_of(COUNT):
        assert rows_of_query(run, "rankings", query.query_id).num_rows == 1
