"""Lucene indexes by Anserini, built once per corpus and settings and kept in the cache."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, Field

from rankgen.manifests.counted import counted
from rankgen.manifests.errors import EnvironmentProblem, IntegrityProblem
from rankgen.manifests.progress import progress
from rankgen.manifests.records import Document
from rankgen.manifests.storage.digest import sha256_of_value
from rankgen.retrieval.bm25.java import Java, find_java
from rankgen.retrieval.cache import cached_folder, check_stamp, write_stamp
from rankgen.retrieval.collections.collection import Collection

# Anserini gives each thread one file at a time.
DOCUMENTS_PER_FILE = 50_000
# Lucene writes a full buffer as a segment; a larger buffer takes memory without saving time.
_HEAP = ("-Xmx1g",)
_BUFFER = ("-memoryBuffer", "256")
_SO_FAR = re.compile(r" ([\d,]+) documents indexed")
_COUNTER = re.compile(r" - (indexed|unindexable|empty|skipped|errors): +([\d,]+)$")


class IndexSettings(BaseModel, frozen=True, extra="forbid"):
    """The settings that the index's content depends on, besides the documents.

    Positions and document vectors are stored, as in Pyserini's guides, so that the index also
    serves other models such as RM3. Texts are not stored: the collection has them.
    """

    anserini: str = Field(description="The name of the Anserini jar.")
    stemmer: str = "porter"
    language: str = "en"

    def arguments(self) -> list[str]:
        """Returns the options of Anserini's IndexCollection."""
        fixed = ["-collection", "JsonCollection", "-generator", "DefaultLuceneDocumentGenerator"]
        stored = ["-storePositions", "-storeDocvectors"]
        return [*fixed, *stored, "-stemmer", self.stemmer, "-language", self.language]


def lucene_index(collection: Collection, cache: Path, threads: int, language: str = "en") -> Path:
    """Returns the folder of the collection's Lucene index, building it if the cache lacks it.

    It is the index that `python -m pyserini.index.lucene --collection JsonCollection` makes of the
    same documents, with `Document.contents` as contents.

    Args:
        collection: The documents.
        cache: The root folder of the cache.
        threads: Number of indexing threads.
        language: Language of the analyzer that splits and stems the text, such as "de".

    Raises:
        EnvironmentProblem: Java or Pyserini is missing, or Anserini fails.
        IntegrityProblem: Anserini left out documents, or the cached index has other settings.
        UsageError: The collection's documents cannot be read.
    """
    java = find_java()
    settings = IndexSettings(anserini=java.anserini.name, language=language)
    summary = collection.summary()
    stamp: dict[str, object] = {"corpus": summary._asdict(), "settings": settings.model_dump()}
    name = f"{summary.digest[:16]}-{sha256_of_value(settings.model_dump())[:16]}"

    def build(draft: Path) -> None:
        corpus = draft / "corpus"
        with progress(f"write {collection.name}", summary.documents) as shown:
            for written in _write_corpus(collection.documents(), corpus):
                shown.advance(written)
        _run_anserini(java, settings, draft, threads, collection)
        shutil.rmtree(corpus)
        write_stamp(draft, stamp)

    entry = cached_folder(cache / "bm25" / name, build)
    check_stamp(entry, stamp)
    return entry / "lucene"


def _write_corpus(documents: Iterator[Document], folder: Path) -> Iterator[int]:
    """Writes files that Anserini can read and yields the number of documents in each."""
    folder.mkdir()
    for number in itertools.count():
        written = 0
        path = folder / f"documents-{number:05d}.jsonl"
        with path.open("w", encoding="utf-8", newline="\n") as file:
            for document in itertools.islice(documents, DOCUMENTS_PER_FILE):
                record = {"id": document.doc_id, "contents": document.contents}
                file.write(json.dumps(record) + "\n")
                written += 1
        if not written:
            path.unlink()
            return
        yield written


def _run_anserini(
    java: Java, settings: IndexSettings, draft: Path, threads: int, collection: Collection
) -> None:
    """Makes `lucene` of `corpus` in a separate process, so that the caller needs no JVM."""
    command = [str(java.program), *_HEAP, "-cp", str(java.anserini)]
    command += ["io.anserini.index.IndexCollection", *_BUFFER, *settings.arguments()]
    command += ["-input", str(draft / "corpus"), "-index", str(draft / "lucene")]
    command += ["-threads", str(threads)]
    counters: dict[str, int] = {}
    last, done = "", 0
    name, documents = collection.name, collection.summary().documents
    with (
        progress(f"index {name}", documents) as shown,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                last = line.strip() or last
                if found := _SO_FAR.search(line):
                    so_far = _number(found[1])
                    shown.advance(so_far - done)
                    done = so_far
                if found := _COUNTER.search(line.rstrip()):
                    counters[found[1]] = _number(found[2])
            status = process.wait()
        finally:
            process.kill()
    if status != 0 or "indexed" not in counters:
        raise EnvironmentProblem(
            f"Anserini could not index {name} (exit status {status}): {last}",
            "check the free memory and disk space",
        )
    lost = any(counters.get(kind) for kind in ("unindexable", "skipped", "errors"))
    empty = counters.get("empty", 0)
    if lost or counters["indexed"] + empty != documents:
        raise IntegrityProblem(
            f"Anserini indexed {counters['indexed']} of the {counted(documents, 'document')} of "
            f"{name} ({empty} are empty)",
            "report this with the documents that were left out",
        )


def _number(text: str) -> int:
    return int(text.replace(",", ""))
