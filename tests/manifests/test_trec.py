"""Runs and judgements are read strictly, and split at newlines only."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
from pathlib import Path

import pytest

from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Candidates
from rankgen.manifests.text_lines import lines_of
from rankgen.manifests.trec import read_qrels, read_run, run_lines, trec_eval_order, write_run

SCORES = tuple(100.5 - place for place in range(100))


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
    lists = [Candidates("q2", ("z", "a", "m"), (3.0, 0.1 + 0.2, 1e-9)), Candidates("q1", (), ())]
    write_run(path, lists, "tag")
    assert path.read_text() == (
        "q2 Q0 z 1 3.0 tag\nq2 Q0 a 2 0.30000000000000004 tag\nq2 Q0 m 3 1e-09 tag\n"
    )
    assert [line.doc_id for line in trec_eval_order(read_run(path)["q2"])] == ["z", "a", "m"]
    assert [line[2:] for line in read_run(path)["q2"]] == list(enumerate(lists[0].scores, start=1))


def test_a_million_lines_are_read_and_none_is_held(tmp_path: Path) -> None:
    path = tmp_path / "long.trec"
    lists = [Candidates(f"q{n}", tuple(f"d{n + d}" for d in range(100)), SCORES) for n in range(99)]
    write_run(path, (lists[n % 99]._replace(query_id=f"q{n}") for n in range(10_000)), "t")
    held: list[int] = []
    lines = run_lines(path, duplicates="keep")
    for number, _ in enumerate(lines, start=1):
        if number % 250_000 == 1:
            held.append(sys.getallocatedblocks())
    assert number == 1_000_000
    assert max(held) - held[0] < 1_000


def test_the_reader_is_told_what_to_do_with_a_line_that_comes_twice(tmp_path: Path) -> None:
    path = tmp_path / "some.run"
    path.write_text("q1 Q0 a 1 3 t\nq2 Q0 a 1 3 t\nq1 Q0 b 2 2 t\nq1 Q0 a 3 1 t\n")
    kept = read_run(path, duplicates="keep")
    assert {query_id: [line.doc_id for line in lines] for query_id, lines in kept.items()} == {
        "q1": ["a", "b", "a"],
        "q2": ["a"],
    }
    assert "q3" not in kept
    lines = run_lines(path, duplicates="refuse")
    assert [next(lines).query_id for _ in range(3)] == ["q1", "q2", "q1"]
    with pytest.raises(UsageError, match="line 4: query q1 lists document a twice"):
        next(lines)


def test_lines_whose_hashes_agree_are_not_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "some.run"
    path.write_text("q1 Q0 a 1 3 t\nq1 Q0 b 2 2 t\n")
    monkeypatch.setattr("rankgen.manifests.trec.run.hash", lambda pair: 7, raising=False)
    assert [line.doc_id for line in run_lines(path)] == ["a", "b"]
    path.write_text("q1 Q0 a 1 3 t\nq1 Q0 b 2 2 t\nq1 Q0 b 3 1 t\n")
    with pytest.raises(UsageError, match=r"line 3: .* twice \(first in line 2\)"):
        read_run(path)


MARK = "\ufeff"
LINES = {
    "run": "q1 Q0 a 1 2.5 t\nq2 Q0 b 1 1 t\n",
    "trec": "q1 0 a 2\nq2 0 b 1\n",
    "beir": "query-id\tcorpus-id\tscore\nq1\ta\t2\nq2\tb\t1\n",
}


def held(path: Path, kind: str) -> object:
    return read_run(path) if kind == "run" else read_qrels(path)


@pytest.mark.parametrize("kind", list(LINES))
def test_what_an_editor_adds_is_no_part_of_an_id(tmp_path: Path, kind: str) -> None:
    path, text = tmp_path / "plain", LINES[kind]
    path.write_text(text)
    expected = held(path, kind)
    first, *rest = text.splitlines(keepends=True)
    # The mark in front, twice, at the start of a second part, and the line ends of Windows.
    parts = MARK + first + MARK + "".join(rest)
    for changed in (MARK + text, MARK + MARK + text, parts, text.replace("\n", "\r\n")):
        path.write_text(changed, encoding="utf-8", newline="")
        assert held(path, kind) == expected
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        path.write_text(text, encoding=encoding)
        marked = encoding.upper() if encoding in ("utf-16", "utf-32") else "holds a NUL byte"
        with pytest.raises(UsageError, match=marked):
            held(path, kind)
    path.write_text(text.replace("a", "a\0"))
    with pytest.raises(UsageError, match=r"plain line \d holds a NUL byte at its character"):
        held(path, kind)


@pytest.mark.parametrize("kind", list(LINES))
def test_packed_files_are_read_or_named(tmp_path: Path, kind: str) -> None:
    """Topics, judgements and runs of TREC and MS MARCO are handed out packed."""
    text = LINES[kind].encode()
    (tmp_path / "plain").write_bytes(text)
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(text))
    assert held(packed, kind) == held(tmp_path / "plain", kind)
    packed.write_bytes(gzip.compress(text)[:-12])
    with pytest.raises(UsageError, match="cannot be unpacked"):
        held(packed, kind)
    for pack, name in ((lzma.compress, "xz"), (bz2.compress, "bzip2")):
        packed.write_bytes(pack(text))
        with pytest.raises(UsageError, match=f"is packed with {name}"):
            held(packed, kind)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("q1 Q0 a 1 2.5", "line 2 has 5 columns, not six"),
        ("q1 Q0 a 1 2.5 my tag", "line 2 has 7 columns, not six"),
        ("q1 Q0 doc 7 1 2.5 t", "line 2 has 7 columns, not six"),
        ("q1 0 a 2", "line 2 has 4 columns, not six"),
        ("q1\tQ0\tdoc 7\t1\t2.5\tt", "line 2: the document id 'doc 7' holds white space"),
        ("q1\tQ0\t\t1\t2.5\tt", "line 2 has no document id"),
        ("q1 Q0 a 1 inf t", "line 2: the score inf is not finite"),
        ("q1 Q0 a 1 1_0 t", "line 2: rank '1' or score '1_0' is not a number"),
        ("q1 Q0 a \u0663 1 t", "line 2: rank '\u0663' or score '1' is not a number"),
        ("q1 Q0 a 1 2,5 t", "line 2: rank '1' or score '2,5' is not a number"),
        (f"q1 Q0 a {2**64} 1 t", "line 2: the rank 18446744073709551616 is too large"),
    ],
)
def test_a_run_has_six_columns(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "some.run"
    path.write_text(f"q0 Q0 a 1 1 t\n{line}\n")
    with pytest.raises(UsageError) as caught:
        read_run(path)
    assert caught.value.message.startswith(f"{path} {message}")


def test_tabs_keep_a_tag_with_spaces_and_only_ascii_separates(tmp_path: Path) -> None:
    path = tmp_path / "some.run"
    path.write_text("q1\tQ0\ta\t1.0\t2.5\tmy tag\nq1 Q0 b\u00a0c\u2028d 2 2 t\n")
    assert [line.doc_id for line in read_run(path)["q1"]] == ["a", "b\u00a0c\u2028d"]


def test_a_document_listed_twice_names_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "some.run"
    path.write_text("q Q0 a 1 3 t\n\nq Q0 b 2 2 t\nq Q0 a 3 1 t\n")
    with pytest.raises(UsageError, match=r"line 4: .* lists document a twice \(first in line 1\)"):
        read_run(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("q1 0 a 1\nq1 a 1\n", "line 2 has 3 columns, but line 1 has 4"),
        ("query-id\tcorpus-id\tscore\nq1 0 a 1\n", "line 2 has 4 columns, but line 1 has 3"),
        ("q1 Q0 a 1 2.5 t\n", "line 1 has 6 columns, not three or four"),
        ("q1,a,1\n", "line 1 has 1 column, not three or four"),
        ("q1\tdoc 7\t1\n", "line 1: the document id 'doc 7' holds white space"),
        ("q1\t\t1\n", "line 1 has no document id"),
        (f"q1 0 a {chr(49) * 5000}\n", "line 1: the grade '1111"),
        ("q1 0 a 1.\n", "line 1: the grade '1.' is not a whole number"),
        ("q1 0 a 0.5\n", "line 1: the grade '0.5' is not a whole number"),
        ("q1 0 a 1\nq1 0 b 1\nq1 0 a 2\n", "line 3 gives query q1 and document a the grade 2, but"),
        ("query-id\tcorpus-id\tscore\n", "holds no judgements"),
    ],
)
def test_bad_judgements_name_the_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "some.qrels"
    path.write_text(content)
    with pytest.raises(UsageError) as caught:
        read_qrels(path)
    assert caught.value.message.startswith(f"{path} {message}")


def test_a_pair_may_be_judged_twice_alike_and_grades_may_have_a_point(tmp_path: Path) -> None:
    path = tmp_path / "some.qrels"
    path.write_text("query_id\titeration\tdoc_id\trelevance\nq 0 a 1\nq 0 a 1\nq 0 b 2.0\n")
    assert read_qrels(path) == {"q": {"a": 1, "b": 2}}
