"""Collections as a user has them on the disk, small."""

from __future__ import annotations

import json
from pathlib import Path

from rankgen.manifests.records import Document, Query
from rankgen.retrieval.collections.collection import Collection
from rankgen.retrieval.collections.open_collection import open_collection

DOCUMENTS = [
    Document("d1", "A title", "with a text"),
    Document("d2", "", "next line\u0085paragraph\u2028separator \U0001f600"),
    Document("d3", "", ""),
]
QUERIES = [Query("q1", "what is it"), Query("q2", 'a "quoted" one')]


def write_lines(path: Path, lines: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return path


def as_json(record: dict[str, object]) -> str:
    return json.dumps(record, ensure_ascii=False)


def beir_folder(folder: Path) -> Path:
    write_lines(
        folder / "corpus.jsonl",
        [as_json({"_id": d.doc_id, "title": d.title, "text": d.text}) for d in DOCUMENTS],
    )
    write_lines(
        folder / "queries.jsonl", [as_json({"_id": q.query_id, "text": q.text}) for q in QUERIES]
    )
    return folder


def beir_of(folder: Path, texts: list[str], queries: dict[str, str]) -> Path:
    """Writes documents d0, d1, ... with these texts, and queries by id."""
    corpus = [as_json({"_id": f"d{n}", "title": "", "text": t}) for n, t in enumerate(texts)]
    write_lines(folder / "corpus.jsonl", corpus)
    asked = [as_json({"_id": query_id, "text": t}) for query_id, t in queries.items()]
    write_lines(folder / "queries.jsonl", asked)
    return folder


def beir_with_corpus(folder: Path, *lines: str) -> Collection:
    beir_folder(folder)
    write_lines(folder / "corpus.jsonl", list(lines))
    return open_collection(str(folder))


def beir_with_queries(folder: Path, *lines: str) -> Collection:
    beir_folder(folder)
    write_lines(folder / "queries.jsonl", list(lines))
    return open_collection(str(folder))
