"""PLAID indexes by colbert-ai, built once per corpus and checkpoint and kept in the cache."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rankgen.manifests.counted import counted
from rankgen.manifests.errors import EnvironmentProblem, IntegrityProblem, UsageError
from rankgen.manifests.progress import progress
from rankgen.manifests.storage.digest import sha256_of_value
from rankgen.retrieval.cache import cached_folder, check_stamp, write_stamp
from rankgen.retrieval.colbert.build import ENCODED, BuildRequest
from rankgen.retrieval.colbert.checkpoint import ColbertCheckpoint
from rankgen.retrieval.colbert.compat import INSTALL_HINT
from rankgen.retrieval.collections.collection import Collection, CorpusSummary

# Bits per dimension of a residual, as in colbert-ai's guide.
RESIDUAL_BITS = 2
_DOC_IDS_A_BATCH = 10_000
# The most that a killed build loses; colbert-ai's own number.
CHUNK_PASSAGES = 25_000


def plaid_index(
    collection: Collection, checkpoint: ColbertCheckpoint, cache: Path, threads: int
) -> Path:
    """Returns the folder with the collection's PLAID index, building it if the cache lacks it.

    A build that was killed, or ran out of memory or disk, resumes after its last whole chunk.

    The folder holds `plaid/`, the index that colbert-ai's `Indexer` makes of `Document.contents` in
    corpus order, and `doc_ids.arrow`, the ids in the same order.

    Raises:
        EnvironmentProblem: colbert-ai is missing or fails.
        IntegrityProblem: Documents are missing, or the cached index has other settings.
        UsageError: The documents cannot be read or are too few to be clustered.
    """
    software = _installed_version()
    summary = collection.summary()
    settings = {
        "checkpoint_sha256": checkpoint.sha256,
        "bits": RESIDUAL_BITS,
        "colbert-ai": software,
    }
    stamp: dict[str, object] = {"corpus": summary._asdict(), "settings": settings}
    name = f"{summary.digest[:16]}-{sha256_of_value(settings)[:16]}"

    def fill(draft: Path) -> None:
        request = BuildRequest(
            checkpoint=checkpoint.folder,
            passages=draft / "passages.jsonl",
            count=summary.documents,
            index=draft / "plaid",
            bits=RESIDUAL_BITS,
            chunk_passages=CHUNK_PASSAGES,
            threads=threads,
        )
        _write_corpus(collection, request.passages, draft / "doc_ids.arrow")
        _run_builder(request, collection.name)
        _check_counts(request.index, summary, collection.name)
        request.passages.unlink()
        write_stamp(draft, stamp)

    entry = cached_folder(cache / "colbert" / name, fill, resumes=True)
    check_stamp(entry, stamp)
    return entry


def _installed_version() -> str:
    try:
        return version("colbert-ai")
    except PackageNotFoundError:
        raise EnvironmentProblem(
            "ColBERT needs the package colbert-ai, which is missing", INSTALL_HINT
        ) from None


def _write_corpus(collection: Collection, passages: Path, doc_ids: Path) -> None:
    import pyarrow as pa

    schema = pa.schema([("doc_id", pa.string())])
    batch: list[str] = []
    write_batch = partial(pa.record_batch, schema=schema)
    with (
        passages.open("w", encoding="utf-8", newline="\n") as texts,
        pa.OSFile(str(doc_ids), "wb") as file,
        pa.ipc.new_file(file, schema) as ids,
        progress(f"write {collection.name}", collection.summary().documents) as shown,
    ):
        for document in collection.documents():
            texts.write(json.dumps(document.contents) + "\n")
            batch.append(document.doc_id)
            if len(batch) == _DOC_IDS_A_BATCH:
                ids.write_batch(write_batch([pa.array(batch)]))
                batch.clear()
            shown.advance()
        ids.write_batch(write_batch([pa.array(batch, pa.string())]))


def _run_builder(request: BuildRequest, name: str) -> None:
    """Runs `build` in a separate process, which keeps PyTorch and its output away from ours."""
    log = request.index.with_name("build.log")
    command = [sys.executable, "-m", "rankgen.retrieval.colbert.build"]
    with (
        log.open("w+", encoding="utf-8", errors="replace") as errors,
        # No total, because a sample of the passages is encoded first.
        progress(f"index {name}", None) as shown,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(request.model_dump_json() + "\n")
            process.stdin.flush()
            for line in process.stdout:
                if line.startswith(ENCODED):
                    shown.advance(int(line.removeprefix(ENCODED)))
            status = process.wait()
        finally:
            process.kill()
        errors.seek(0)
        said = [line.strip() for line in errors if line.strip()]
    if status == 0:
        log.unlink()
        return
    if any("training points" in line for line in said):
        raise UsageError(
            f"{name} is too small for ColBERT's index, which clusters its vectors",
            "use --retriever bm25, or add documents",
        )
    raise EnvironmentProblem(
        f"colbert-ai could not index {name} (exit status {status}): {(said or ['no output'])[-1]}",
        "check the free memory and disk space",
    )


def _check_counts(index: Path, summary: CorpusSummary, name: str) -> None:
    try:
        chunks = json.loads((index / "metadata.json").read_text())["num_chunks"]
        parts = [
            json.loads((index / f"{chunk}.metadata.json").read_text()) for chunk in range(chunks)
        ]
        indexed = sum(part["num_passages"] for part in parts)
    except (OSError, ValueError, KeyError):
        indexed = 0
    if indexed != summary.documents:
        raise IntegrityProblem(
            f"colbert-ai indexed {indexed} of the {counted(summary.documents, 'document')} of "
            f"{name}",
            "report this with its output",
        )
