"""What a step returns: where it published, its figures, and its rows for pandas or Polars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from rankgen.manifests.run.run_directory import RunDirectory

if TYPE_CHECKING:
    from rankgen.students.evaluation.result import Evaluation

Summary = TypeVar("Summary")


@dataclass(frozen=True)
class Result(Generic[Summary]):
    """What a step did.

    `polars.DataFrame(result)`, `pandas.DataFrame.from_arrow(result)` and `pyarrow.table(result)`
    take it as it is.

    Attributes:
        out: The folder that it published into.
        summary: Its figures.
    """

    out: Path
    summary: Summary
    _read: Callable[[], pa.Table] = field(repr=False, compare=False)

    def table(self) -> pa.Table:
        """Reads the rows that were published; the functions of `steps` name their columns."""
        return self._read()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Hands the rows to whoever speaks Arrow's C interface."""
        return self._read().__arrow_c_stream__(requested_schema)


def ranked_rows(run: RunDirectory, table: str) -> pa.Table:
    """Returns (query_id, rank, doc_id, score) of every published list, rank from 1.

    Args:
        run: The run's folder.
        table: "candidates" or "rankings"; where a teacher orders alone, its scores are null.
    """
    lists = run.read(table).combine_chunks()
    lengths = pc.list_value_length(lists["doc_ids"]).to_pylist()
    columns = {
        "query_id": lists["query_id"].take(pc.list_parent_indices(lists["doc_ids"])),
        "rank": pa.array((rank for n in lengths for rank in range(1, n + 1)), pa.int32()),
        "doc_id": pc.list_flatten(lists["doc_ids"]),
    }
    if table == "candidates":
        columns["score"] = pc.list_flatten(lists["retrieval_scores"])
    else:
        held = zip(lists["teacher_scores"].to_pylist(), lengths, strict=True)
        columns["score"] = pa.array(
            (score for scores, n in held for score in scores or [None] * n), pa.float32()
        )
    return pa.table(columns)


def evaluated_rows(evaluation: Evaluation) -> pa.Table:
    """Returns (system, kind, measure, mean) of every system and measure."""
    return pa.Table.from_pylist(
        [
            {"system": system.name, "kind": system.kind, "measure": measure, "mean": mean}
            for system in evaluation.systems
            for measure, mean in system.measures.items()
        ]
    )
