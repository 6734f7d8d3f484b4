"""Scored documents of a Parquet, JSON or text file, as tables with one column for each role."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa

from rankgen.manifests.counted import counted
from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms import column_names as known
from rankgen.manifests.forms.fields import id_in, number_in, text_in
from rankgen.manifests.forms.files.rows import Row, parquet_batches, read_rows
from rankgen.manifests.forms.files.text_blocks import Block, blocks_of, first_line, split_exactly
from rankgen.manifests.forms.shape import Preset
from rankgen.manifests.forms.shapes.scored_columns import Columns, needed_columns
from rankgen.manifests.forms.sources.base import Part
from rankgen.manifests.text_lines import lines_in, plain_number

# Rows of ids take some fifty bytes, those with texts some kilobytes.
_ID_ROWS, _TEXT_ROWS = 1 << 19, 1 << 13
_UNNAMED = ("query_id", "doc_id", "score")
_TEXT_ROLES = ("query_id", "doc_id", "query", "document")


class Scored(NamedTuple):
    """Rows of a file.

    Attributes:
        rows: A column for each role that the file has, such as "query_id"; unchecked, of any type.
        where: Place of a row -> the file and the row, for messages.
    """

    rows: pa.Table
    where: Callable[[int], str]


def scored_tables(part: Part, preset: Preset) -> Iterator[Scored]:
    """Yields the rows of a file in its order.

    Raises:
        UsageError: The file cannot be read or lacks a column.
    """
    if part.kind == "parquet":
        return _parquet_tables(part, preset)
    return _text_tables(part, preset) if part.kind == "text" else _json_tables(part, preset)


def text_header(part: Part, named: Collection[str] = ()) -> tuple[tuple[str, ...], bool]:
    """Returns the names of a text file's columns, and whether its first line holds them.

    Args:
        part: The file.
        named: Names of columns, beside those that are known.

    Raises:
        UsageError: The file cannot be read, or its columns have no names.
    """
    line = first_line(part).decode("utf-8", "replace")
    cells = line.split("\t")
    if names_columns(cells, named):
        return tuple(cells), True
    if len(cells) == len(_UNNAMED) and _is_number(cells[-1]):
        return _UNNAMED, False
    if names_columns([cell.strip(' "') for cell in line.split(",")], named):
        raise UsageError(
            f"{part.name} separates its columns by commas, which is not read",
            "write it with tabs, or as JSONL or Parquet",
        )
    if line.lstrip()[:1] in ("{", "["):
        raise UsageError(f"{part.name} holds JSON", "rename it: .jsonl, or .json for one array")
    if line.split()[1:2] == ["Q0"]:
        raise UsageError(
            f"{part.name} line 1 has {counted(len(line.split()), 'column')}, and a TREC run has 6: "
            "query, Q0, document, rank, score and tag",
            "ids with white space need tabs between the columns, or another form such as JSONL",
        )
    raise UsageError(
        f"{part.name} line 1 has {counted(len(cells), 'column')} between tabs and no names of them",
        "write a header line with query_id, doc_id and score, or the six columns of a TREC run",
    )


def names_columns(cells: Sequence[str], named: Collection[str] = ()) -> bool:
    """Tells whether the cells of a line are names of columns: all of `named`, or known ones."""
    if named and set(cells) >= set(named):
        return True
    queries, documents = (*known.QUERY_IDS, "query"), (*known.DOC_IDS, *known.DOC_TEXTS)
    return bool(set(cells) & set(queries)) and bool(set(cells) & set(documents))


def _parquet_tables(part: Part, preset: Preset) -> Iterator[Scored]:
    columns: Columns | None = None
    first = 1
    for head in parquet_batches(part, None, 1):
        columns = needed_columns(part.name, dict.fromkeys(head.schema.names, ""), preset)
        break
    roles = {} if columns is None else columns.roles()
    has_texts = "query" in roles or "document" in roles
    size = _TEXT_ROWS if has_texts else _ID_ROWS
    for batch in parquet_batches(part, list(dict.fromkeys(roles.values())), size):
        table = pa.table({role: batch.column(name) for role, name in roles.items()})
        yield Scored(table, _numbered(f"{part.name} row", first))
        first += batch.num_rows


def _numbered(kind: str, first: int) -> Callable[[int], str]:
    return lambda place: f"{kind} {first + place}"


def _of_rows(places: Sequence[str]) -> Callable[[int], str]:
    return lambda place: places[place]


def _after_header(where: Callable[[int], str]) -> Callable[[int], str]:
    return lambda place: where(place + 1)


def _json_tables(part: Part, preset: Preset) -> Iterator[Scored]:
    rows = read_rows(part)
    head = next(rows, None)
    if head is None:
        return
    roles = needed_columns(part.name, head.fields, preset).roles()
    rest = itertools.chain([head], rows)
    while portion := list(itertools.islice(rest, _TEXT_ROWS)):
        cells = {role: [_cell(row, role, name) for row in portion] for role, name in roles.items()}
        yield Scored(pa.table(cells), _of_rows([row.where for row in portion]))


def _cell(row: Row, role: str, name: str) -> object:
    """Returns a value of the type that its role asks for; Arrow has one type a column."""
    value = row.fields.get(name)
    if role in ("query_id", "doc_id"):
        return id_in(row.where, value, name)
    if role in ("query", "document"):
        return text_in(row.where, value, name)
    return number_in(row.where, value, name)


def _text_tables(part: Part, preset: Preset) -> Iterator[Scored]:
    header, is_written = text_header(part, preset.columns.values())
    roles = needed_columns(part.name, dict.fromkeys(header, ""), preset).roles()
    names = [f"c{header.index(name)}" for name in roles.values()]
    for block in blocks_of(part):
        table = split_exactly(block, b"\t", len(header))
        if table is None:
            table, numbers = _split_by_line(part, block, len(header))
            where = _of_rows([f"{part.name} line {number}" for number in numbers])
        else:
            where = _numbered(f"{part.name} line", block.first)
        table = table.select(names).rename_columns(list(roles))
        if is_written and block.first == 1:
            table, where = table.slice(1), _after_header(where)
        yield Scored(_with_numbers(table, where), where)


def _split_by_line(part: Part, block: Block, columns: int) -> tuple[pa.Table, list[int]]:
    rows, numbers = [], []
    for number, line in lines_in(io.BytesIO(block.content), part.name, block.first):
        if not line.strip():
            continue
        cells = line.split("\t")
        if len(cells) != columns or "\0" in line:
            fault = "holds a NUL byte" if "\0" in line else f"has {counted(len(cells), 'column')}"
            raise UsageError(
                f"{part.name} line {number} {fault}, where {columns} columns are expected",
                "separate columns by one tab each; write texts with tabs or line breaks as JSONL",
            )
        rows.append(cells)
        numbers.append(number)
    named = {f"c{n}": pa.array([row[n] for row in rows], pa.string()) for n in range(columns)}
    return pa.table(named), numbers


def _with_numbers(table: pa.Table, where: Callable[[int], str]) -> pa.Table:
    """Returns the rows with numbers where the texts of scores and ranks were."""
    for role in ("score", "rank"):
        if role in table.schema.names:
            texts = table[role]
            try:
                numbers = texts.cast(pa.float64())
            except pa.ArrowInvalid:
                found = enumerate(texts.to_pylist())
                numbers = pa.array([_number(where(at), role, text) for at, text in found])
            table = table.set_column(table.schema.names.index(role), role, numbers)
    return table


def _number(where: str, role: str, text: str) -> float:
    try:
        return float(plain_number(text))
    except ValueError:
        raise UsageError(
            f"{where}: the {role} '{text}' is not a number", f"write a {role}"
        ) from None


def _is_number(text: str) -> bool:
    try:
        float(plain_number(text))
    except ValueError:
        return False
    return True
