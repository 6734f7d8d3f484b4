"""Existing Lucene indexes: folders, and the prebuilt ones that Pyserini offers by name."""

from __future__ import annotations

import random
from pathlib import Path

from rankgen.manifests.errors import EnvironmentProblem, UsageError, did_you_mean, reason_of
from rankgen.manifests.storage.digest import sha256_of_file, sha256_of_lines
from rankgen.retrieval.bm25.java import import_pyserini, start_jvm
from rankgen.retrieval.collections.collection import Collection

# Lucene's lock against two writers, which copies of an index do not have.
_LOCK = "write.lock"
# This many sampled documents of the corpus must be in the index.
_LOOKED_FOR = 1_000


def find_index(named: str) -> Path:
    """Returns the folder of a Lucene index: a folder, or a prebuilt one of Pyserini by its name.

    The prebuilt ones, such as "msmarco-v1-passage", are downloaded unless Pyserini has them.

    Raises:
        UsageError: The folder is not an index, or there is no prebuilt index of that name.
        EnvironmentProblem: Java or Pyserini is missing, or the download fails.
    """
    folder = Path(named)
    if folder.is_dir():
        if not any(folder.glob("segments_*")):
            raise UsageError(
                f"{folder} is not a Lucene index (it has no segments file)",
                "name the folder that `python -m pyserini.index.lucene --index` wrote",
            )
        return folder.resolve()
    start_jvm()
    _check_name(named)
    from pyserini.util import download_prebuilt_index

    try:
        return Path(download_prebuilt_index(named)).resolve()
    # A failed download raises ValueError, a wrong checksum AssertionError.
    except (ValueError, AssertionError, OSError) as error:
        raise EnvironmentProblem(
            f"the prebuilt index '{named}' cannot be obtained: {reason_of(error)}",
            "download it elsewhere and name its folder",
        ) from None


def _check_name(named: str) -> None:
    from pyserini import prebuilt_index_info as known

    if named in known.TF_INDEX_INFO:
        return
    learned = (
        known.IMPACT_INDEX_INFO,
        known.LUCENE_HNSW_INDEX_INFO,
        known.LUCENE_FLAT_INDEX_INFO,
        known.FAISS_INDEX_INFO,
    )
    # Each of these needs its own query encoder.
    if any(named in indexes for indexes in learned):
        raise UsageError(
            f"the prebuilt index '{named}' is not a BM25 index",
            "search it with Pyserini's own command and --output RUN, then import the result: "
            "--retriever recorded:RUN",
        )
    raise UsageError(
        f"there is neither a folder nor a prebuilt index '{named}'",
        did_you_mean(named, list(known.TF_INDEX_INFO)),
    )


def digest_of_index(folder: Path) -> str:
    """Returns a SHA-256 over the names and bytes of the index's files."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != _LOCK)
    return sha256_of_lines(part for path in files for part in (path.name, sha256_of_file(path)))


def check_index(folder: Path, collection: Collection) -> None:
    """Checks that an index is the collection's, by its size and a thousand sampled documents.

    Raises:
        UsageError: The index was made from another corpus.
        EnvironmentProblem: Java or Pyserini is missing.
    """
    import_pyserini()
    from pyserini.search.lucene import LuceneSearcher

    summary = collection.summary()
    searcher = LuceneSearcher(str(folder))
    hint = "name the index of this collection, or omit --index to build it"
    # Anserini leaves out documents without any text.
    if searcher.num_docs != summary.documents - summary.empty_documents:
        raise UsageError(
            f"the index {folder} belongs to another corpus: it has {searcher.num_docs:,} "
            f"documents, but {collection.name} has {summary.documents:,}",
            hint,
        )
    sampled = min(_LOOKED_FOR, summary.documents)
    chosen = set(random.Random(0).sample(range(summary.documents), sampled))
    for number, document in enumerate(collection.documents()):
        is_looked_for = number in chosen and document.contents.strip()
        if is_looked_for and searcher.doc(document.doc_id) is None:
            raise UsageError(
                f"the index {folder} belongs to another corpus: it lacks document "
                f"{document.doc_id} of {collection.name}",
                hint,
            )
