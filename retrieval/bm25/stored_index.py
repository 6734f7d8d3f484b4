"""A Lucene index that exists already: a folder, or one of those that Pyserini offers by name."""

from __future__ import annotations

import random
from pathlib import Path

from rankgen.manifests.errors import EnvironmentProblem, UsageError, did_you_mean, reason_of
from rankgen.manifests.storage.digest import sha256_of_file, sha256_of_lines
from rankgen.retrieval.bm25.java import import_pyserini, start_jvm
from rankgen.retrieval.collections.collection import Collection

# Lucene's guard against two writers; it is in no copy of an index.
_LOCK = "write.lock"
# So many documents of the corpus must be in the index.
_LOOKED_FOR = 1_000


def find_index(named: str) -> Path:
    """Returns the folder of a Lucene index.

    Args:
        named: A folder, or the name of a prebuilt index of Pyserini, such as
            "msmarco-v1-passage", which is downloaded unless Pyserini has it already.

    Raises:
        UsageError: The folder holds no index, or no prebuilt index is called so.
        EnvironmentProblem: Java or Pyserini is missing, or the download fails.
    """
    folder = Path(named)
    if folder.is_dir():
        if not any(folder.glob("segments_*")):
            raise UsageError(
                f"{folder} holds no Lucene index (no segments file)",
                "name the folder that `python -m pyserini.index.lucene --index` wrote",
            )
        return folder.resolve()
    start_jvm()
    _check_name(named)
    from pyserini.util import download_prebuilt_index

    try:
        return Path(download_prebuilt_index(named)).resolve()
    # A failed download is a ValueError; a wrong checksum is an AssertionError.
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
    # Each wants an encoder of queries of its own, which is Pyserini's affair.
    if any(named in indexes for indexes in learned):
        raise UsageError(
            f"the prebuilt index '{named}' is not one for BM25",
            "search it by Pyserini's own command with --output RUN, and import what it found: "
            "--retriever recorded:RUN",
        )
    raise UsageError(
        f"there is neither a folder nor a prebuilt index '{named}'",
        did_you_mean(named, list(known.TF_INDEX_INFO)),
    )


def digest_of_index(folder: Path) -> str:
    """Returns the SHA-256 over names and bytes of the index's files."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != _LOCK)
    return sha256_of_lines(part for path in files for part in (path.name, sha256_of_file(path)))


def check_index(folder: Path, collection: Collection) -> None:
    """Checks that an index was made of the collection: the count, and a thousand documents.

    Raises:
        UsageError: It was made of something else.
        EnvironmentProblem: Java or Pyserini is missing.
    """
    import_pyserini()
    from pyserini.search.lucene import LuceneSearcher

    summary = collection.summary()
    searcher = LuceneSearcher(str(folder))
    # Anserini leaves out documents without any text.
    if searcher.num_docs != summary.documents - summary.empty_documents:
        raise UsageError(
            f"the index {folder} holds {searcher.num_docs:,} documents, and {collection.name} "
            f"{summary.documents:,}: it is another corpus's",
            "name the index of this collection, or leave --index out to build it",
        )
    chosen = set(random.Random(0).sample(range(summary.documents), _sampled(summary.documents)))
    for number, document in enumerate(collection.documents()):
        is_looked_for = number in chosen and document.contents.strip()
        if is_looked_for and searcher.doc(document.doc_id) is None:
            raise UsageError(
                f"the index {folder} has no document {document.doc_id} of {collection.name}: "
                "it is another corpus's",
                "name the index of this collection, or leave --index out to build it",
            )


def _sampled(documents: int) -> int:
    return min(_LOOKED_FOR, documents)
