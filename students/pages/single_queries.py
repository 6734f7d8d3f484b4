"""A run that is asked for single queries: nothing else of it is read, however large it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from rankgen.manifests.records import Document
from rankgen.manifests.run.found_rows import rows_in_file, rows_of_ids, rows_of_query
from rankgen.manifests.run.plan import queries_path
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.pages.opened_run import OpenedRun, open_run
from rankgen.students.pages.passages import Passages
from rankgen.students.pages.query_view import QueryView, query_view
from rankgen.students.pages.run_rows import Row


class SingleQueries(OpenedRun):
    """A run whose queries are looked up one by one."""

    def holds(self, query_id: str) -> bool:
        """Tells whether the run has a ranking of the query, or says why it has none."""
        return query_id in self.quarantined or self.ranking(query_id) is not None

    def knows(self, query_id: str) -> bool:
        """Tells whether the query is one of the run's, ranked or not."""
        return self.text(query_id) is not None or self.holds(query_id)

    def query_files(self) -> list[Path]:
        """Returns the Parquet files of ids and texts, sorted by id; without texts there are none.

        They are what the run was planned with, so an unfinished one has them too.
        """
        if self.plan is not None:
            planned = queries_path(self.directory, self.plan)
            if planned.exists():
                return [planned]
        return self.directory.shard_paths("queries")

    def ranking(self, query_id: str) -> Row | None:
        """Returns the query's row of `rankings`; None where it has none."""
        rows: list[Row] = rows_of_query(self.directory, "rankings", query_id).to_pylist()
        return rows[0] if rows else None

    def calls(self, query_id: str) -> list[Row]:
        """Returns the query's rows of `windows`, in the order in which the calls were made."""
        rows: list[Row] = rows_of_query(self.directory, "windows", query_id).to_pylist()
        return sorted(rows, key=lambda row: (row["window_index"], row["attempt"] or 0))

    def text(self, query_id: str) -> str | None:
        """Returns the query's text; None where the run has none."""
        for path in self.query_files():
            for row in rows_in_file(path, "queries", "query_id", [query_id]).to_pylist():
                return str(row["text"])
        return None


class SinglePassages(Passages):
    """Documents of some runs, read together when they are named.

    Args:
        runs: Runs to look in, the first one first; those without documents are passed over.
        doc_ids: The documents.
    """

    def __init__(self, runs: Iterable[RunDirectory], doc_ids: Iterable[str]) -> None:
        self._found: dict[str, Document] = {}
        missing = set(doc_ids)
        for run in runs:
            if not missing:
                break
            for row in rows_of_ids(run, "documents", missing).to_pylist():
                self._found[row["doc_id"]] = Document(**row)
            missing -= self._found.keys()

    def __bool__(self) -> bool:
        return bool(self._found)

    def get(self, doc_id: str) -> Document | None:
        """Returns a document; None where no run has it."""
        return self._found.get(doc_id)


def open_single_queries(root: Path) -> SingleQueries:
    """Opens a run for `SingleQueries`; raises what `open_run` raises."""
    opened = open_run(root)
    return SingleQueries(opened.name, opened.directory, opened.plan, opened.described)


def single_view(run: SingleQueries, query_id: str) -> QueryView:
    """Returns one query of a run with its passages; raises what `query_view` raises."""
    row = run.ranking(query_id)
    found = run.candidates(query_id) if row is None else None
    doc_ids = row["doc_ids"] if row is not None else found.doc_ids if found else ()
    return query_view(query_id, [run], SinglePassages(_with_texts(run), doc_ids))


def _with_texts(run: SingleQueries) -> Iterator[RunDirectory]:
    """Yields the run, and the one it was made from, whose texts an unfinished run lacks."""
    yield run.directory
    if run.source is not None:
        yield run.source
