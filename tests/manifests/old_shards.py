"""Shards as version 1.0 of the schema wrote them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rankgen.manifests.schema import WINDOWS

LATER = ("attempt", "reason", "cut")
WINDOWS_1_0 = pa.schema(
    [
        field.with_nullable(False) if field.name == "permutation" else field
        for field in WINDOWS
        if field.name not in LATER
    ]
)


def windows_as_before(rows: pa.Table) -> pa.Table:
    """Returns the windows without failed calls, which were not kept, and without later columns."""
    answered = rows.filter(pc.is_valid(rows["permutation"]))
    return answered.select(WINDOWS_1_0.names).cast(WINDOWS_1_0)


def rewrite_windows_as_before(path: Path) -> None:
    """Puts a file of windows back to version 1.0."""
    before = windows_as_before(pq.ParquetFile(path).read())
    footer = {"rankgen.table": "windows", "rankgen.schema_version": "1"}
    pq.write_table(before.replace_schema_metadata(footer), path, compression="zstd")
