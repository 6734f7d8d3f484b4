"""Shards of earlier minor schema versions, read with nulls in columns that were added later."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa

from rankgen.manifests.schema import TABLES


class OtherColumns(Exception):
    """The columns match no readable version of the table; the message says what is wrong."""


def completed(read: pa.Table, table: str, columns: Collection[str] | None) -> pa.Table:
    """Returns a shard with nulls for the columns that were added later.

    Args:
        read: The shard as stored, or those of `columns` that it has.
        table: A name in `TABLES`.
        columns: Names of the wanted columns; None for all, as the current schema defines them.

    Raises:
        OtherColumns: The shard lacks a required column; for all columns also where it has an
            unknown one or one of another type.
    """
    expected = TABLES[table]
    if columns is not None:
        return _with_nulls(read, pa.schema([field for field in expected if field.name in columns]))
    if read.schema.equals(expected, check_metadata=False):
        return read
    names = read.schema.names
    held = [field for field in expected if field.name in names]
    # A column that may be null now may have been required earlier, but not the other way round.
    fits = names == [field.name for field in held] and all(
        read.schema.field(field.name).type == field.type
        and (field.nullable or not read.schema.field(field.name).nullable)
        for field in held
    )
    if not fits:
        raise OtherColumns(f"has the columns {names}")
    return _with_nulls(read, expected).select(expected.names).cast(expected)


def _with_nulls(read: pa.Table, expected: pa.Schema) -> pa.Table:
    for field in expected:
        if field.name not in read.schema.names:
            if not field.nullable:
                raise OtherColumns(f"lacks the column {field.name}")
            read = read.append_column(field, pa.nulls(read.num_rows, field.type))
    return read
