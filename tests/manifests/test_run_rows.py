"""TREC runs as a form: read by Arrow where that is exact, and line by line elsewhere."""

from __future__ import annotations

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from forms_read import rows_in
from hypothesis import given
from hypothesis import strategies as st

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.files import text_blocks
from rankgen.manifests.forms.files.text_blocks import Block
from rankgen.manifests.forms.shapes import trec_run
from rankgen.manifests.trec.run import run_lines

PLAIN = "q1 Q0 d1 1 2.5 tag\nq2 Q0 d2 1 1.5 tag\n"
# Words that no reader divides, and numbers as programs write them.
WORDS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), exclude_characters="\ufeff"),
    min_size=1,
    max_size=8,
)
RANKS = st.one_of(
    st.integers(-5, 10**6).map(str), st.sampled_from(["1.0", "0x1F", "1_0", "+3", "x", "٣"])
)
SCORES = st.one_of(
    st.floats(allow_nan=True, width=32).map(repr),
    st.sampled_from(["1e400", "1_0", "0x1p3", "Infinity", "1e39", ".5", "5.", "-0"]),
)
SEPARATORS = st.sampled_from([" ", "\t", "  ", " \t"])
ENDS = st.sampled_from(["\n", "\r\n", " \n", "\n\n", ""])


@st.composite
def lines(draw: st.DrawFn) -> str:
    words = [draw(WORDS), "Q0", draw(WORDS), draw(RANKS), draw(SCORES), draw(WORDS)]
    separator = draw(SEPARATORS)
    return separator.join(words) + draw(ENDS)


def result_of(read: object) -> object:
    try:
        return read()  # type: ignore[operator]  # a function without arguments
    except UsageError as error:
        return str(error.message)


def as_read(path: Path) -> tuple[object, object]:
    """Returns what `trec.run` and the form read of a file, or their errors."""
    expected = result_of(
        lambda: [
            (line.query_id, line.doc_id, line.rank, line.score)
            for line in run_lines(path, duplicates="keep")
        ]
    )
    found = result_of(
        lambda: [
            (row["query_id"], row["doc_id"], row["rank"], row["score"])
            for row in rows_in("trec-run", path)[0]
        ]
    )
    return expected, found


@given(st.lists(lines(), min_size=1, max_size=4).map("".join), st.booleans())
def test_every_line_is_read_as_trec_run_reads_it(text: str, has_mark: bool) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "some.run"
        path.write_bytes(b"\xef\xbb\xbf" * has_mark + text.encode())
        expected, found = as_read(path)
    if isinstance(found, str) and found.endswith("32 bits"):
        # Only here are scores kept in 32 bits.
        assert "e" in text
    else:
        assert found == expected


@pytest.mark.parametrize(
    "line",
    [
        *(f"q Q0 d {rank} 1.5 t" for rank in ("0x1F", "1_0", "+3", "1.0", "-2", "x", "٣", 10**20)),
        *(f"q Q0 d 1 {score} t" for score in ("0x1p3", "1_0", "Infinity", "NaN", ".5", "5.", "x")),
        "q\vq Q0 d 1 1.5 t",
        "q Q0 d\fd 1 1.5 t",
        "q Q0 d 1 1.5 t\x00",
        "q Q0 d\td 1 1.5 t",
        "q\tQ0\td d\t1\t1.5\tt",
        "q\tQ0\td\t1\t1.5\ta tag",
        "q Q0 \N{NO-BREAK SPACE}d 1 1.5 t",
        " q  Q0 d 1 1.5 t ",
        "\tQ0\td\t1\t1.5\tt",
        "q Q0 d 1 1.5 t\rq Q0 e 2 1.0 t",
        'q Q0 "d 1 1.5 t',
        "q Q0 d 1 1.5",
        "",
    ],
)
def test_odd_lines_are_read_as_trec_run_reads_them(tmp_path: Path, line: str) -> None:
    path = tmp_path / "some.run"
    path.write_bytes(f"{line}\n{PLAIN}".encode())
    expected, found = as_read(path)
    assert found == expected


def test_usual_lines_take_the_fast_way() -> None:
    for content in (PLAIN, PLAIN.replace(" ", "\t"), PLAIN.replace("\n", "\r\n"), PLAIN[:-1]):
        read = trec_run._fast(Block(content.encode(), 1))
        assert read is not None
        assert read["doc_id"].to_pylist() == ["d1", "d2"]


def test_lines_are_counted_over_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_blocks, "BLOCK_BYTES", 50)
    path = tmp_path / "some.run.gz"
    path.write_bytes(gzip.compress((PLAIN * 4 + "q3 Q0 d3 1 nan tag\n").encode()))
    with pytest.raises(UsageError, match=r"some\.run\.gz line 9: the score nan is not finite"):
        rows_in("trec-run", path)
    path.write_bytes(gzip.compress((PLAIN * 4).encode()))
    rows, losses = rows_in("trec-run", path)
    assert [row["place"] for row in rows] == list(range(8))
    assert losses.rows == 8


def test_an_empty_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.run").write_text("\n")
    with pytest.raises(UsageError, match=r"empty\.run is empty"):
        rows_in("trec-run", tmp_path / "empty.run")


def test_a_cut_gzip_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "some.run.gz"
    path.write_bytes(gzip.compress((PLAIN * 100).encode())[:-12])
    with pytest.raises(UsageError, match=r"some\.run\.gz cannot be read: .*end-of-stream"):
        rows_in("trec-run", path)
    path.write_bytes(b"not gzip at all")
    with pytest.raises(UsageError, match=r"some\.run\.gz cannot be read: Not a gzipped file"):
        rows_in("trec-run", path)
