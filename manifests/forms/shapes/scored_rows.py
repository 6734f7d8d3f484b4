"""The shape of one scored document a row: ids, or the texts themselves, and a score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.accounting import Loss, Tally
from rankgen.manifests.forms.numbers import first_outside
from rankgen.manifests.forms.shape import (
    DOCUMENT_TEXTS,
    QUERY_TEXTS,
    SCORED_ROWS,
    Preset,
    Rows,
)
from rankgen.manifests.forms.shapes.scored_columns import find_columns
from rankgen.manifests.forms.shapes.scored_tables import Scored, scored_tables
from rankgen.manifests.forms.sources.base import Source
from rankgen.manifests.forms.text_ids import ids_of_texts


class ScoredRows:
    """Reads Parquet, JSONL and tables of text; see `scored_columns.Columns`."""

    def fits(self, row: Mapping[str, object]) -> bool:
        """Tells whether a row has a query and a document, as ids or as texts, and a score."""
        columns = find_columns(row, Preset("scored-rows", ""))
        return columns.lacking() is None and not any(
            isinstance(row[name], list | dict) for name in columns.roles().values()
        )

    def batches(self, source: Source, preset: Preset, tally: Tally) -> Iterator[Rows]:
        """Yields the rows; see `RowShape`."""
        place = 0
        for part in source.parts:
            rows = 0
            for scored in scored_tables(part, preset):
                count = scored.rows.num_rows
                tally.read(count)
                yield _rows(scored, place, tally)
                place, rows = place + count, rows + count
            if not rows:
                raise UsageError(f"{part.name} has no rows", "name a file with at least one row")


def _rows(scored: Scored, place: int, tally: Tally) -> Rows:
    table, where = scored.rows, scored.where
    queries = _texts(table, "query", where)
    documents = _texts(table, "document", where)
    query_ids = _ids(table, "query_id", queries, where, "query_ids_from_texts", tally)
    doc_ids = _ids(table, "doc_id", documents, where, "doc_ids_from_texts", tally)
    count = table.num_rows
    columns = {
        "query_id": query_ids,
        "doc_id": doc_ids,
        "score": _scores(table["score"], where),
        "rank": _ranks(table, where),
        "place": pa.array(np.arange(place, place + count)),
    }
    titles = pa.array([""] * count, pa.string())
    return Rows(
        pa.table(columns, schema=SCORED_ROWS),
        None if queries is None else _distinct(pa.table([query_ids, queries], schema=QUERY_TEXTS)),
        None
        if documents is None
        else pa.table([doc_ids, titles, documents], schema=DOCUMENT_TEXTS),
    )


def _distinct(rows: pa.Table) -> pa.Table:
    """Returns each different row once: the rows of a query repeat its text."""
    return rows.group_by(rows.schema.names, use_threads=False).aggregate([])


def _texts(table: pa.Table, role: str, where: Callable[[int], str]) -> pa.ChunkedArray | None:
    if role not in table.schema.names:
        return None
    column = table[role]
    if not _is_text(column.type):
        raise UsageError(
            f"{where(0)}: the column of the {role} holds {column.type}, not texts",
            "choose another form, or write texts",
        )
    return column.cast(pa.string()).fill_null("")


def _ids(
    table: pa.Table,
    role: str,
    texts: pa.ChunkedArray | None,
    where: Callable[[int], str],
    loss: Loss,
    tally: Tally,
) -> pa.Array:
    """Returns the ids as texts, made of the texts where there are no ids."""
    if role not in table.schema.names:
        assert texts is not None, "a file without ids has texts"
        tally.lose(loss, table.num_rows)
        return ids_of_texts(texts)
    column = table[role]
    if not (_is_text(column.type) or pa.types.is_integer(column.type)):
        raise UsageError(
            f"{where(0)}: the {role.replace('_', ' ')} is of type {column.type}, neither a text "
            "nor a whole number",
            "write each id as a text",
        )
    ids = column.cast(pa.string()).combine_chunks()
    wrong = pc.index(pc.fill_null(pc.equal(ids, ""), True), True).as_py()
    if wrong >= 0:
        raise UsageError(f"{where(wrong)} has no {role.replace('_', ' ')}", "give each row one")
    return ids


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _scores(column: pa.ChunkedArray, where: Callable[[int], str]) -> pa.ChunkedArray:
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise UsageError(
            f"{where(0)}: the score is of type {kind}, not a number", "write numbers as scores"
        )
    scores = column.cast(pa.float64(), safe=False)
    wrong = first_outside(scores)
    if wrong is not None:
        value = column[wrong].as_py()
        fault = "is missing" if value is None else f"{value} is not a finite number of 32 bits"
        raise UsageError(
            f"{where(wrong)}: the score {fault}", "remove the row, or write a finite score"
        )
    return scores


def _ranks(table: pa.Table, where: Callable[[int], str]) -> pa.ChunkedArray | pa.Array:
    if "rank" not in table.schema.names:
        return pa.nulls(table.num_rows, pa.int64())
    try:
        return table["rank"].cast(pa.int64())
    except pa.ArrowInvalid:
        raise UsageError(
            f"{where(0)}: the column of ranks holds more than whole numbers",
            "write whole numbers from 1, or leave the column out",
        ) from None


SHAPE = ScoredRows()
