"""Queries as two columns: a million of them cost what their texts cost, until one is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import pyarrow as pa
import pyarrow.compute as pc

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.records import Query
from rankgen.manifests.run_directory import RunDirectory


class QueryTable(Sequence[Query]):
    """A sequence of queries.

    Args:
        columns: A table with the string columns `query_id` and `text`.
    """

    def __init__(self, columns: pa.Table) -> None:
        self.columns = columns

    def __len__(self) -> int:
        """Returns the number of queries."""
        return int(self.columns.num_rows)

    @overload
    def __getitem__(self, place: int) -> Query: ...

    @overload
    def __getitem__(self, place: slice) -> QueryTable: ...

    def __getitem__(self, place: int | slice) -> Query | QueryTable:
        """Returns one query or a part of the sequence."""
        if isinstance(place, slice):
            start, stop, step = place.indices(len(self))
            return QueryTable(self.columns.take(pa.array(range(start, stop, step), pa.int64())))
        row = self.columns.slice(range(len(self))[place], 1)
        return Query(row["query_id"][0].as_py(), row["text"][0].as_py())

    def __iter__(self) -> Iterator[Query]:
        """Makes the queries one after the other."""
        for batch in self.columns.to_batches():
            ids, texts = (batch.column(name).to_pylist() for name in ("query_id", "text"))
            yield from map(Query, ids, texts)


def query_table(queries: Sequence[Query]) -> pa.Table:
    """Returns the columns of any queries, sorted by id."""
    if isinstance(queries, QueryTable):
        columns = queries.columns
    else:
        ids = pa.array([query.query_id for query in queries], pa.string())
        texts = pa.array([query.text for query in queries], pa.string())
        columns = pa.table({"query_id": ids, "text": texts})
    return columns.sort_by("query_id")


def queries_of_run(run: RunDirectory, query_ids: pa.Array) -> QueryTable:
    """Returns queries of a run, in the order in which they are named.

    Raises:
        IntegrityProblem: The run has no text of one of them.
    """
    texts = run.read("queries").combine_chunks()
    places = pc.index_in(query_ids, value_set=texts["query_id"])
    if places.null_count:
        lost = query_ids.filter(pc.is_null(places))[0].as_py()
        raise IntegrityProblem(
            f"{run.root} has candidates for query {lost} but no text of it",
            f"rankgen verify {run.root}",
        )
    return QueryTable(texts.take(places))
