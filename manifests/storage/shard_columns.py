"""Shards of earlier minor versions of a schema: read with nulls where a column came later."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa

from rankgen.manifests.schema import TABLES


class OtherColumns(Exception):
    """The columns are not those of any version of the table that can be read; says which."""


def completed(read: pa.Table, table: str) -> pa.Table:
    """Returns all columns of a shard as today's schema has them.

    Args:
        read: The shard as it stands.
        table: A name in `TABLES`.

    Raises:
        OtherColumns: It lacks a required column, holds another one, or one of another type.
    """
    expected = TABLES[table]
    if read.schema.equals(expected, check_metadata=False):
        return read
    names = read.schema.names
    held = [field for field in expected if field.name in names]
    # What may be null today may have been required before, but not the other way round.
    fits = names == [field.name for field in held] and all(
        read.schema.field(field.name).type == field.type
        and (field.nullable or not read.schema.field(field.name).nullable)
        for field in held
    )
    if not fits:
        raise OtherColumns(f"has the columns {names}")
    return _with_nulls(read, expected).select(expected.names).cast(expected)


def completed_columns(read: pa.Table, table: str, columns: Collection[str]) -> pa.Table:
    """Returns some columns of a shard, those that came later as nulls.

    Args:
        read: Those of the columns that the shard holds.
        table: A name in `TABLES`.
        columns: The columns.

    Raises:
        OtherColumns: It lacks a required one.
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
