"""Labelled sets from Python: the functions do what the commands of the same names do."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

import rankgen
from rankgen.manifests.errors import UsageError


def imported(root: Path, **lists: str) -> Path:
    """Imports lists of passages with names of one letter; returns the run's folder."""
    lines = [
        f"{query} Q0 {doc} {rank} {9 - rank} t"
        for query, docs in lists.items()
        for rank, doc in enumerate(docs, start=1)
    ]
    file = root.with_suffix(".run")
    file.write_text("\n".join(lines) + "\n")
    done = rankgen.import_rankings(form="trec-run", source=str(file), out=root)
    assert done.summary.queries == len(lists)
    return done.out


def rows_of(run: Path) -> pa.Table:
    """Imports once more, which only reads what is there."""
    source = str(run.with_suffix(".run"))
    return rankgen.import_rankings(form="trec-run", source=source, out=run).table()


def test_sets_are_made_of_sets(tmp_path: Path) -> None:
    one = imported(tmp_path / "one", p="abc", q="ab")
    other = imported(tmp_path / "other", p="cba", q="xy")
    mixed = rankgen.mix(rankings=(one, other), out=tmp_path / "mixed")
    assert mixed.summary.left_out.lists_without_common_passages == 2
    assert mixed.table()["doc_id"].to_pylist() == ["a", "c", "b"]
    part = rankgen.subsample(rankings=one, queries=1, out=tmp_path / "part")
    assert len(set(part.table()["query_id"].to_pylist())) == 1
    written = rankgen.export(form="lists", run=str(one), out=tmp_path / "lists.jsonl")
    assert (written.lists, written.documents) == (2, 5)
    again = rankgen.import_rankings(form="lists", source=str(written.out), out=tmp_path / "again")
    assert again.table().equals(rows_of(one))
    published = rankgen.publish(run=str(one), to=str(tmp_path / "public"))
    assert (tmp_path / "public" / "README.md").is_file()
    assert not published.was_there


def test_a_wrong_setting_is_named_as_in_python(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"mix: .*methd"):
        rankgen.mix(rankings=(tmp_path,) * 2, out=tmp_path / "x", methd="rrf")  # type: ignore[call-arg]  # the mistake under test


def test_a_run_may_begin_with_blank_lines_and_be_packed(tmp_path: Path) -> None:
    plain = imported(tmp_path / "plain", p="abc", q="ab")
    content = b"\r\n\n" + plain.with_suffix(".run").read_bytes()
    (tmp_path / "renamed.run").write_bytes(gzip.compress(content))
    source = str(tmp_path / "renamed.run")
    found = rankgen.import_rankings(form="auto", source=source, out=tmp_path / "out")
    assert found.table().equals(rows_of(plain))
