"""Finds a query by its id or by words of its text."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rankgen.manifests.errors import IncompleteRun, UsageError, did_you_mean
from rankgen.manifests.records import Query
from rankgen.manifests.storage.atomic import local_file
from rankgen.students.pages.single_queries import SingleQueries

# A hint names no more of what was found.
_SHOWN = 5
_SHOWN_WORDS = 60


def found_query(run: SingleQueries, asked: str) -> str:
    """Returns the id of the query with this id, or else of the only one whose text has the words.

    Args:
        run: The run.
        asked: An id, or words; a text has them in any order, in capitals or not.

    Raises:
        UsageError: There is no such query, or there are several; the hint names them.
        IncompleteRun: The query is planned, and no teacher has ordered its list yet.
    """
    query_id = asked if run.knows(asked) else _by_words(run, asked)
    if run.holds(query_id):
        return query_id
    raise IncompleteRun(
        f"query {query_id} of {run.directory.root} is not ranked yet: its shard is not committed",
        f"see how far the run is: rankgen status {run.directory.root}",
    )


def _by_words(run: SingleQueries, asked: str) -> str:
    found = list(queries_with(run, asked)) if asked.split() else []
    if len(found) == 1:
        return found[0].query_id
    if found:
        shown = "; ".join(
            f"{shlex.quote(one.query_id)} ({_short(one.text)})" for one in found[:_SHOWN]
        )
        raise UsageError(
            f"{len(found):,} queries of {run.directory.root} have '{asked}' in their text",
            f"name one by its id: {shown}{' …' if len(found) > _SHOWN else ''}",
        )
    raise UsageError(
        f"{run.directory.root} has no query '{asked}', nor one with that in its text",
        _hint(run, asked),
    )


def queries_with(run: SingleQueries, words: str) -> Iterator[Query]:
    """Yields the queries, sorted by id, whose texts hold all words as parts, capitals or not."""
    wanted = words.split()
    for batch in query_batches(run):
        texts = batch.column("text")
        parts = [pc.match_substring(texts, word, ignore_case=True) for word in wanted]
        for row in batch.filter(reduce(pc.and_, parts)).to_pylist():
            yield Query(row["query_id"], row["text"])


def query_batches(run: SingleQueries) -> Iterator[pa.RecordBatch]:
    """Yields the queries' ids and texts, a few thousand at a time, sorted by id."""
    for path in run.query_files():
        with local_file(path) as local, pq.ParquetFile(local) as file:
            yield from file.iter_batches(columns=["query_id", "text"], use_threads=False)


def _hint(run: SingleQueries, asked: str) -> str:
    """Returns the ids or words of texts most like what was asked for, or some ids."""
    near = did_you_mean(asked, dict.fromkeys(_words_of(run)))
    if near.startswith("did you"):
        return near
    some = itertools.islice(run.query_ids(), _SHOWN)
    return f"its first queries: {', '.join(map(shlex.quote, some))}"


def _words_of(run: SingleQueries, most: int = 20_000) -> Iterator[str]:
    """Yields ids, and the words of texts; not all of them in a run of millions."""
    for batch in query_batches(run):
        for row in batch.to_pylist():
            yield row["query_id"]
            yield from (row["text"] or "").lower().split()
            most -= 1
            if not most:
                return


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_WORDS else line[: _SHOWN_WORDS - 1] + "…"
