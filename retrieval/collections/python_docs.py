"""A real collection without a download: known-item search over Python's own documentation.

A passage is a documentation string without its first sentence; the query is that first sentence,
and its only relevant passage is the one it was cut from.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel

from rankgen.manifests.errors import EnvironmentProblem
from rankgen.manifests.records import Document, Query
from rankgen.manifests.storage.atomic import write_whole
from rankgen.retrieval.collections.docstrings import DocString, read_docstrings
from rankgen.retrieval.collections.sampling import seeded_hash

SPLITS = ("train", "validation", "test")
# Of 20 queries 10 train, 4 validate and 6 test.
_SPLIT_OF_TWENTY = ("train",) * 10 + ("validation",) * 4 + ("test",) * 6
QUERY_SHARE = 0.5
SUMMARY_WORDS = range(4, 31)
LEAST_BODY_WORDS = 8
MOST_BODY_WORDS = 100
LEAST_PASSAGES = 100


class PythonDocsSummary(BaseModel, frozen=True, extra="forbid"):
    """The size of a collection in BEIR's layout; `queries` counts those of each split."""

    folder: Path
    passages: int
    queries: dict[str, int]


class KnownItem(NamedTuple):
    """A passage and the sentence that was cut from it."""

    document: Document
    query: Query


def write_python_docs(
    folder: Path, *, passages: int, seed: int = 0, library: Path | None = None
) -> PythonDocsSummary:
    """Writes the collection as a BEIR folder, with the same bytes every time on one interpreter.

    Queries are split into train, validation and test by a seeded hash of their id, in
    `qrels/<split>.tsv`; `queries.jsonl` holds them all.

    Args:
        folder: Folder for corpus.jsonl, queries.jsonl and qrels/; made if missing.
        passages: The maximum number of passages.
        seed: Random seed for passages, queries and splits.
        library: A folder of Python files instead of the interpreter's standard library.

    Raises:
        EnvironmentProblem: The library has too few documentation strings.
    """
    items = known_items(read_docstrings(library), passages, seed)
    if len(items) < LEAST_PASSAGES:
        raise EnvironmentProblem(
            f"this Python's library has {len(items)} usable documentation strings, but a "
            f"collection needs at least {LEAST_PASSAGES}",
            "use an interpreter that was installed with its source files",
        )
    drawn = sorted(items, key=lambda item: seeded_hash(seed, f"ask:{item.query.query_id}"))
    asked = sorted(drawn[: round(len(items) * QUERY_SHARE)])
    _write_jsonl(folder / "corpus.jsonl", (item.document for item in items))
    _write_jsonl(folder / "queries.jsonl", (item.query for item in asked))
    counts = {}
    for split in SPLITS:
        members = [item for item in asked if split_of(item.query.query_id, seed) == split]
        _write_qrels(folder / "qrels" / f"{split}.tsv", members)
        counts[split] = len(members)
    return PythonDocsSummary(folder=folder, passages=len(items), queries=counts)


def known_items(docstrings: Iterable[DocString], passages: int, seed: int) -> list[KnownItem]:
    """Makes known items from documentation strings, sorted by document id.

    A string is usable if its first sentence and its rest are long enough, no other string has the
    same sentence or the same rest, and the sentence is not repeated in the rest.

    Args:
        docstrings: Documentation strings in a reproducible order.
        passages: The maximum number of items; a seeded hash chooses among more.
        seed: Seed of that hash.
    """
    usable = [found for found in docstrings if _is_usable(found)]
    summaries = _repeated(_folded(found.summary) for found in usable)
    bodies = _repeated(_folded(found.body) for found in usable)
    distinct: dict[str, DocString] = {}
    for found in usable:
        if _folded(found.summary) not in summaries and _folded(found.body) not in bodies:
            distinct.setdefault(found.name, found)
    drawn = sorted(distinct.values(), key=lambda found: seeded_hash(seed, f"take:{found.name}"))
    return sorted(_known_item(found) for found in drawn[:passages])


def split_of(query_id: str, seed: int) -> str:
    """Returns the split of a query, which depends only on its id and the seed."""
    bucket = int.from_bytes(seeded_hash(seed, f"split:{query_id}")[:8], "big")
    return _SPLIT_OF_TWENTY[bucket % len(_SPLIT_OF_TWENTY)]


def _is_usable(found: DocString) -> bool:
    return (
        len(found.summary.split()) in SUMMARY_WORDS
        and len(found.body.split()) >= LEAST_BODY_WORDS
        and _folded(found.summary) not in _folded(found.body)
    )


def _known_item(found: DocString) -> KnownItem:
    text = " ".join(found.body.split()[:MOST_BODY_WORDS])
    return KnownItem(Document(found.name, "", text), Query(f"q.{found.name}", found.summary))


def _folded(text: str) -> str:
    return " ".join(text.lower().split()).rstrip(".!?")


def _repeated(texts: Iterable[str]) -> set[str]:
    return {text for text, times in Counter(texts).items() if times > 1}


def _write_jsonl(path: Path, records: Iterable[Document | Query]) -> None:
    # BEIR calls the id of both `_id`.
    rows = [dict(zip(("_id", *r._fields[1:]), r, strict=True)) for r in records]
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    write_whole(path, "".join(lines).encode())


def _write_qrels(path: Path, items: Sequence[KnownItem]) -> None:
    lines = ["query-id\tcorpus-id\tscore\n"]
    lines += [f"{item.query.query_id}\t{item.document.doc_id}\t1\n" for item in items]
    write_whole(path, "".join(lines).encode())
