"""Streams rows of JSONL, TSV and Parquet files; errors name the file and the row."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from rankgen.manifests.counted import counted
from rankgen.manifests.errors import UsageError, reason_of
from rankgen.manifests.text_lines import told_columns
from rankgen.retrieval.collections.column_names import ColumnNames, find_columns
from rankgen.retrieval.collections.tsv_header import is_header, is_quoted, quoting_problem

PARQUET_BATCH_ROWS = 4_096
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Notes already printed about files; without this every pass would print them again.
_TOLD: set[str] = set()


class Row(NamedTuple):
    """One record of a file; its number is that of its line or Parquet row, from 1."""

    number: int
    fields: Mapping[str, object]


def read_rows(
    path: Path, columns: Mapping[int, tuple[str, ...]], names: ColumnNames
) -> Iterator[Row]:
    """Yields the rows of `path` in file order; the suffix decides the format.

    Quotation marks in a TSV file are part of its texts: those of MS MARCO contain unpaired ones.

    Args:
        path: A `.jsonl`, `.tsv` or `.parquet` file.
        columns: Number of columns -> their names, for a TSV file without a header.
        names: Names that make the first line of a TSV file a header; see `is_header`.

    Raises:
        UsageError: The file is missing, has another suffix, or has a row that cannot be read.
    """
    if not path.is_file():
        raise UsageError(f"there is no file {path}", "check the path")
    if path.suffix == ".jsonl":
        return _jsonl_rows(path)
    if path.suffix == ".tsv":
        return _tsv_rows(path, columns, names)
    if path.suffix == ".parquet":
        return _parquet_rows(path)
    raise UsageError(
        f"{path} is not a .jsonl, .tsv or .parquet file", "convert it to one of the three"
    )


def unit_of(path: Path) -> str:
    """Returns what a row's number counts: "line" in a text file, "row" in a Parquet file."""
    return "row" if path.suffix == ".parquet" else "line"


def _text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields (line number, text), split at newlines only: texts contain U+0085 and U+2028.

    Byte order marks are left out, of which files that were joined have one in each part.
    """
    offset = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            line = raw
            while line.startswith(_BYTE_ORDER_MARK):
                line = line.removeprefix(_BYTE_ORDER_MARK)
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = offset + len(raw) - len(line) + error.start
                raise UsageError(
                    f"{path} line {number} is not UTF-8 text ({error.reason} at byte {byte} "
                    f"of the file)",
                    "convert the file, for example with iconv",
                ) from None
            offset += len(raw)
            yield number, text.removesuffix("\n").removesuffix("\r")


def _jsonl_rows(path: Path) -> Iterator[Row]:
    for number, line in _text_lines(path):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise UsageError(
                f"{path} line {number} is not JSON: {error}", "write one JSON object per line"
            ) from None
        if not isinstance(record, dict):
            raise UsageError(
                f"{path} line {number} is a JSON {type(record).__name__}, not an object",
                "write one JSON object per line",
            )
        yield Row(number, record)


def _tsv_rows(
    path: Path, columns: Mapping[int, tuple[str, ...]], names: ColumnNames
) -> Iterator[Row]:
    lines = ((number, line) for number, line in _text_lines(path) if line.strip())
    first = next(lines, None)
    if first is None:
        return
    second = next(lines, None)
    header, is_written = _tsv_header(path, first, second, columns, names)
    identity = find_columns(names, header).id
    below = [line for line in (first, second) if line is not None][is_written:]
    for number, line in itertools.chain(below, lines):
        cells = line.split("\t")
        if len(cells) != len(header):
            raise UsageError(
                f"{path} line {number} has {counted(len(cells), 'column')}, not {len(header)}",
                "separate columns by one tab each; write texts with tabs or line breaks as JSONL",
            )
        fields = dict(zip(header, cells, strict=True))
        if '"' in line:
            _look_at_quotes(path, number, fields, identity)
        yield Row(number, fields)


def _tsv_header(
    path: Path,
    first: tuple[int, str],
    second: tuple[int, str] | None,
    columns: Mapping[int, tuple[str, ...]],
    names: ColumnNames,
) -> tuple[tuple[str, ...], bool]:
    """Returns the names of the columns, and whether the first line holds them."""
    cells = first[1].split("\t")
    where = f"{path} line {first[0]}"
    if is_header(where, cells, second[1].split("\t") if second else None, names):
        return tuple(cells), True
    if len(cells) not in columns:
        shapes = " or ".join(", ".join(c).replace("_id", "id") for c in columns.values())
        raise UsageError(
            f"{where} has {told_columns(cells)} and no header that names them",
            f"write a header line, or the columns {shapes}, with a tab between two",
        )
    fields = columns[len(cells)]
    shown = ", ".join(field.removeprefix("_") for field in fields)
    _say_once(f"no header in {path}; columns taken as {shown} (first {shown[:2]}: {cells[0]})")
    return fields, False


def _look_at_quotes(
    path: Path, number: int, fields: Mapping[str, str], identity: str | None
) -> None:
    """Refuses an id in quotation marks and reports texts that a CSV writer has quoted."""
    for field, cell in fields.items():
        if not is_quoted(cell):
            continue
        if field == identity:
            raise quoting_problem(f"{path} line {number}", cell)
        # Texts in quotation marks are common; doubled quotation marks within them are not.
        if '""' in cell[1:-1]:
            _say_once(
                f"{path} has texts in quotation marks, which are kept as part of the text; "
                "if a program added them, write the file as JSONL",
                f" (first: line {number})",
            )


def _say_once(text: str, detail: str = "") -> None:
    if text not in _TOLD:
        _TOLD.add(text)
        print(text + detail, file=sys.stderr)


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=PARQUET_BATCH_ROWS):
                for record in batch.to_pylist():
                    number += 1
                    yield Row(number, record)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UsageError(
            f"{path} cannot be read as Parquet after row {number}: {reason_of(error)}",
            "was it copied whole?",
        ) from None
