"""Rows of JSONL, JSON and Parquet files, one by one; errors name the file and the row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from rankgen.manifests.errors import UsageError, reason_of
from rankgen.manifests.forms.files.opened import opened
from rankgen.manifests.forms.sources.base import Part
from rankgen.manifests.text_lines import lines_in

_PARQUET_ROWS = 1_024
_BEGIN_BYTES = 4_096
_AN_OBJECT = "write one JSON object per line"


class Row(NamedTuple):
    """One record of a file.

    Attributes:
        where: The file and the row, such as "data.jsonl line 3" or "data.parquet row 3", from 1.
        fields: Column -> value.
    """

    where: str
    fields: Mapping[str, object]


def read_rows(part: Part, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """Yields the rows of a JSONL, JSON or Parquet file in its order.

    Args:
        part: The file.
        columns: The columns of a Parquet file to read; None reads all.

    Raises:
        UsageError: The file cannot be read, or a row is not an object.
    """
    if part.kind == "parquet":
        return _parquet_rows(part, columns)
    return _jsonl_rows(part) if part.kind == "jsonl" else _array_rows(part)


def first_row(part: Part) -> Row:
    """Returns the first row of a file.

    Raises:
        UsageError: The file cannot be read or is empty.
    """
    for row in read_rows(part):
        return row
    raise UsageError(f"{part.name} is empty", "name a file with at least one row")


def holds_texts(part: Part) -> bool:
    """Tells whether a file is a JSON list of texts, which are no rows, judged by its beginning."""
    if part.kind != "json":
        return False
    with opened(part) as file:
        begin = file.read(_BEGIN_BYTES).decode("utf-8-sig", "replace").lstrip()
    return begin.startswith("[") and begin[1:].lstrip().startswith('"')


def _jsonl_rows(part: Part) -> Iterator[Row]:
    with opened(part) as file:
        for number, line in lines_in(file, part.name):
            if not line.strip():
                continue
            where = f"{part.name} line {number}"
            try:
                record = json.loads(line)
            except ValueError as error:
                raise UsageError(f"{where} is not JSON: {reason_of(error)}", _AN_OBJECT) from None
            yield Row(where, _object(where, record))


def _array_rows(part: Part) -> Iterator[Row]:
    """Yields the objects of one JSON array, which is held in memory."""
    with opened(part) as file:
        content = file.read()
    try:
        records = json.loads(content.decode("utf-8-sig"))
    except ValueError as error:
        raise UsageError(
            f"{part.name} is not JSON: {reason_of(error)}", "name a .jsonl file if it has lines"
        ) from None
    if not isinstance(records, list):
        raise UsageError(
            f"{part.name} is a JSON {type(records).__name__}, not a list of rows", _AN_OBJECT
        )
    for number, record in enumerate(records, start=1):
        where = f"{part.name} row {number}"
        yield Row(where, _object(where, record))


def _object(where: str, record: object) -> Mapping[str, object]:
    if not isinstance(record, dict):
        raise UsageError(f"{where} is a JSON {type(record).__name__}, not an object", _AN_OBJECT)
    return record


def _parquet_rows(part: Part, columns: Sequence[str] | None) -> Iterator[Row]:
    number = 0
    for batch in parquet_batches(part, columns, _PARQUET_ROWS):
        for record in batch.to_pylist():
            number += 1
            yield Row(f"{part.name} row {number}", record)


def parquet_batches(
    part: Part, columns: Sequence[str] | None, rows: int
) -> Iterator[pa.RecordBatch]:
    """Yields those of `columns` that a Parquet file has, in batches of at most `rows` rows.

    Raises:
        UsageError: The file is missing, damaged or not a Parquet file.
    """
    done = 0
    try:
        with pq.ParquetFile(part.path) as file:
            held = None if columns is None else [c for c in columns if c in file.schema_arrow.names]
            for batch in file.iter_batches(batch_size=rows, columns=held, use_threads=False):
                yield batch
                done += batch.num_rows
    except FileNotFoundError:
        raise UsageError(f"there is no file {part.name}", "check the path") from None
    except (OSError, pa.ArrowException) as error:
        raise UsageError(
            f"{part.name} cannot be read as Parquet after row {done}: {reason_of(error)}",
            "was it copied whole?",
        ) from None
