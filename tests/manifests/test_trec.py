"""Runs and judgements are read strictly, and split at newlines only."""

from __future__ import annotations

from pathlib import Path

import pytest

from rankgen.manifests.errors import UsageError
from rankgen.manifests.trec import lines_of, read_qrels, read_run, trec_eval_order, write_run


def test_order_is_trec_evals(tmp_path: Path) -> None:
    path = tmp_path / "run.trec"
    path.write_text("1 Q0 a 1 2.0 t\n1 Q0 c 2 2.0 t\n1 Q0 b 3 3.5 t\n\n1 Q0 B 4 2.0 t\n")
    assert [line.doc_id for line in trec_eval_order(read_run(path)["1"])] == ["b", "c", "a", "B"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 Q0 a 1\n", "line 1 has 4 columns"),
        ("1 Q0 a 1 2 t\n1 Q0 b two 1 t\n", "line 2: rank 'two'"),
        ("1 Q0 a 1 nan t\n", "line 1: the score nan is not finite"),
        ("1 Q0 a 1 2 t\n1 Q0 a 2 1 t\n", "line 2: query 1 lists document a twice"),
        ("\n", "is empty"),
        ("1 Q0 caf\xe9 1 2 t\n", "is not UTF-8"),
    ],
)
def test_bad_runs_name_the_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "run.trec"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(UsageError, match=message):
        read_run(path)


def test_judgements_in_both_forms(tmp_path: Path) -> None:
    (tmp_path / "trec").write_text("1 0 a 2\n1 0 b -1\n")
    (tmp_path / "beir").write_text("query-id\tcorpus-id\tscore\n1\ta\t2\n1\tb\t-1\n")
    assert (
        read_qrels(tmp_path / "trec") == read_qrels(tmp_path / "beir") == {"1": {"a": 2, "b": -1}}
    )
    (tmp_path / "bad").write_text("1 0 a high\n")
    with pytest.raises(UsageError, match="grade 'high' is not a whole number"):
        read_qrels(tmp_path / "bad")
    with pytest.raises(UsageError, match="there is no file"):
        read_qrels(tmp_path / "none")


def test_unicode_line_separators_do_not_split(tmp_path: Path) -> None:
    path = tmp_path / "corpus"
    path.write_text("one\u0085still\u2028one\r\ntwo\n", encoding="utf-8", newline="")
    assert list(lines_of(path)) == [(1, "one\u0085still\u2028one"), (2, "two")]


def test_a_written_run_keeps_its_order(tmp_path: Path) -> None:
    path = tmp_path / "run.trec"
    write_run(path, [("q", ["z", "a", "m"])], "tag")
    assert [line.doc_id for line in trec_eval_order(read_run(path)["q"])] == ["z", "a", "m"]
