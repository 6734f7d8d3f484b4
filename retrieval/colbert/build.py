"""The process that builds a PLAID index: `python -m rankgen.retrieval.colbert.build`.

Its request is one JSON line on standard input, which stays open: when it closes, the parent process
is dead, and this process ends too. Progress goes to standard output, one line per batch.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

ENCODED = "passages encoded: "


class BuildRequest(BaseModel, frozen=True, extra="forbid"):
    """A request to build an index.

    Attributes:
        passages: A file with one JSON string per line.
        count: Number of its lines.
        index: The folder to make.
        bits: Bits per dimension of a residual.
        chunk_passages: Passages to encode and save at once; colbert-ai's own number is 25,000.
    """

    checkpoint: Path
    passages: Path
    count: int
    index: Path
    bits: int
    chunk_passages: int
    threads: int


class StreamedPassages:
    """Passages for colbert-ai's `Collection`, read again in every pass; see `BuildRequest`."""

    def __init__(self, path: Path, count: int) -> None:
        self._path = path
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        with self._path.open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                yield json.loads(line)


def build(request: BuildRequest) -> None:
    """Builds the index with colbert-ai's `Indexer`, whose seed makes it reproducible.

    It resumes from the chunks that a killed build saved; see `resume`.

    Raises:
        EnvironmentProblem: See `import_colbert` and `use_own_extensions`.
    """
    import torch

    from rankgen.retrieval.colbert.compat import import_colbert
    from rankgen.retrieval.colbert.extensions import use_own_extensions
    from rankgen.retrieval.colbert.resume import keep_only_whole, mark_what_is_saved, remove_marks

    import_colbert()
    torch.set_num_threads(request.threads)
    use_own_extensions()
    from colbert import Indexer
    from colbert.data import Collection
    from colbert.indexing.index_saver import IndexSaver
    from colbert.infra import ColBERTConfig, Run, RunConfig
    from colbert.modeling.checkpoint import Checkpoint

    _encode_fast_and_tell(Checkpoint)
    mark_what_is_saved(IndexSaver)
    keep_only_whole(request.index)
    # colbert-ai would look up a model_name on the Hub, although the checkpoint has a config.json.
    config = ColBERTConfig(nbits=request.bits, index_path=str(request.index), model_name=None)
    passages = Collection(data=StreamedPassages(request.passages, request.count))
    passages.get_chunksize = lambda: min(request.chunk_passages, request.count + 1)
    with Run().context(RunConfig(nranks=1, avoid_fork_if_possible=True)):
        indexer = Indexer(str(request.checkpoint), config, verbose=0)
        indexer.index(name=request.index.name, collection=passages, overwrite="resume")
    remove_marks(request.index)


def _encode_fast_and_tell(checkpoint: Any) -> None:
    import torch

    from rankgen.manifests.models.cpu_kernels import fast_kernels

    encode = checkpoint.docFromText
    device = "cuda" if torch.cuda.is_available() else "cpu"

    def told(self: Any, docs: list[str], **settings: Any) -> Any:
        with fast_kernels(device):
            encoded = encode(self, docs, **{**settings, "showprogress": False})
        print(f"{ENCODED}{len(docs)}", flush=True)
        return encoded

    checkpoint.docFromText = told


def _end_with_the_asker() -> None:
    sys.stdin.read()
    os._exit(1)


def main() -> int:
    """Reads the request and builds; an error is the last line on standard error."""
    from rankgen.manifests.errors import RankgenError

    request = BuildRequest.model_validate_json(sys.stdin.readline())
    threading.Thread(target=_end_with_the_asker, daemon=True).start()
    try:
        build(request)
    except RankgenError as error:
        print(error.message, file=sys.stderr, flush=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
