"""Shards of earlier minor schema versions, read with nulls in columns that were added later."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa

from rankgen.manifests.schema import TABLES


class OtherColumns(Exception):
    """The columns match no readable version of the table; the message says what is wrong."""


def completed(read: pa.Table, table: str) -> pa.Table:
    """Returns all columns of a shard, as the current schema defines them.

    Args:
        read: The shard as stored.
        table: A name in `TABLES`.

    Raises:
        OtherColumns: The shard lacks a required column, or has an unknown one or one of another
            type.
    """
    expected = TABLES[table]
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


def completed_columns(read: pa.Table, table: str, columns: Collection[str]) -> pa.Table:
    """Returns some columns of a shard, with nulls for those that were added later.

    Args:
        read: Those of the columns that the shard has.
        table: A name in `TABLES`.
        columns: Names of the wanted columns.

    Raises:
        OtherColumns: The shard lacks a required column.
    """
    wanted = pa.schema([field for field in TABLES[table] if field.name in columns])
    return _with_nulls(read, wanted)


def _with_nulls(read: pa.Table, expected: pa.Schema) -> pa.Table:
    for field in expected:
        if field.name not in read.schema.names:
            if not field.nullable:
                raise OtherColumns(f"lacks the column {field.name}")
            read = read.append_column(field, pa.nulls(read.num_rows, field.type))
    return read
