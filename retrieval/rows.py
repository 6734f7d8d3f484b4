"""Rows of JSONL, TSV and Parquet files, streamed; an error names the file and the row."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from rankgen.manifests.errors import UsageError

PARQUET_BATCH_ROWS = 4_096
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Row(NamedTuple):
    """One record of a file.

    Attributes:
        number: The line of a text file or the row of a Parquet file, from 1.
        fields: Column name -> value, as the file has it.
    """

    number: int
    fields: Mapping[str, object]


def read_rows(
    path: Path, columns: Mapping[int, tuple[str, ...]], id_names: tuple[str, ...]
) -> Iterator[Row]:
    """Yields the rows of `path` in file order; the suffix tells the format.

    Args:
        path: A `.jsonl`, `.tsv` or `.parquet` file.
        columns: Number of columns -> their names, for a TSV file without a header.
        id_names: The names that make the first cell of a TSV file a header.

    Raises:
        UsageError: The file is missing, has another suffix, or a row of it cannot be read.
    """
    if not path.is_file():
        raise UsageError(f"there is no file {path}", "check the path")
    readers: dict[str, Callable[[], Iterator[Row]]] = {
        ".jsonl": lambda: _jsonl_rows(path),
        ".tsv": lambda: _tsv_rows(path, columns, id_names),
        ".parquet": lambda: _parquet_rows(path),
    }
    if path.suffix not in readers:
        raise UsageError(
            f"{path} is neither .jsonl nor .tsv nor .parquet", "convert it to one of the three"
        )
    return readers[path.suffix]()


def unit_of(path: Path) -> str:
    """Returns what a row's number counts: "line" of a text file or "row" of a Parquet file."""
    return "row" if path.suffix == ".parquet" else "line"


def _text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields (line number, text); split on newline only, for passages hold U+0085 and U+2028."""
    offset = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            line = raw.removeprefix(_BYTE_ORDER_MARK) if number == 1 else raw
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
                f"{path} line {number} is not JSON: {error}",
                "every line is one JSON object",
            ) from None
        if not isinstance(record, dict):
            raise UsageError(
                f"{path} line {number} is a JSON {type(record).__name__}, not an object",
                "every line is one JSON object",
            )
        yield Row(number, record)


def _tsv_rows(
    path: Path, columns: Mapping[int, tuple[str, ...]], id_names: tuple[str, ...]
) -> Iterator[Row]:
    names: tuple[str, ...] | None = None
    for number, line in _text_lines(path):
        if not line.strip():
            continue
        # No quoting: MS MARCO's tables hold bare quotation marks.
        cells = line.split("\t")
        if names is None:
            if cells[0] in id_names:
                names = tuple(cells)
                continue
            if len(cells) not in columns:
                shapes = " or ".join(", ".join(c) for c in columns.values())
                raise UsageError(
                    f"{path} line {number} has {len(cells)} columns and no header names them",
                    f"write a header line, or the columns {shapes}",
                )
            names = columns[len(cells)]
        if len(cells) != len(names):
            raise UsageError(
                f"{path} line {number} has {len(cells)} columns, not {len(names)}",
                "columns are separated by one tab each",
            )
        yield Row(number, dict(zip(names, cells, strict=True)))


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
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(
            f"{path} cannot be read as Parquet after row {number}: {reason}",
            "was it copied whole?",
        ) from None
