"""ColBERTv2 by colbert-ai over a PLAID index."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

from rankgen.manifests.errors import EnvironmentProblem, IntegrityProblem, reason_of
from rankgen.manifests.records import Candidates, Query


class ColbertSearcher:
    """Searches with colbert-ai's `Searcher` and keeps its order and scores.

    It uses a GPU if this process sees one, else `threads` threads of the CPU. The index is what
    `plaid_index` returned for this checkpoint.

    Raises:
        EnvironmentProblem: colbert-ai or the checkpoint is missing.
        IntegrityProblem: The folder is not a readable index.
    """

    def __init__(self, index: Path, checkpoint: Path, threads: int) -> None:
        import pyarrow as pa

        from rankgen.retrieval.colbert.compat import import_colbert
        from rankgen.retrieval.colbert.extensions import use_own_extensions

        if not checkpoint.is_dir():
            raise EnvironmentProblem(
                f"the checkpoint {checkpoint} is not on this machine",
                "put it in a folder that every machine shares",
            )
        import_colbert()
        import torch

        torch.set_num_threads(threads)
        use_own_extensions()
        from colbert import Searcher
        from colbert.infra import ColBERTConfig

        try:
            # colbert-ai prints on standard output, which is for the command's result.
            with contextlib.redirect_stdout(io.StringIO()):
                self._searcher = Searcher(
                    index="plaid",
                    index_root=str(index),
                    checkpoint=str(checkpoint),
                    collection=["the texts are not needed"],
                    config=ColBERTConfig(model_name=None),
                    verbose=0,
                )
            ids = pa.ipc.open_file(pa.memory_map(str(index / "doc_ids.arrow"))).read_all()
        except (OSError, RuntimeError, ValueError, KeyError, pa.ArrowException) as error:
            raise IntegrityProblem(
                f"the index {index} cannot be opened: {reason_of(error)}",
                f"remove it: rm -r {index}",
            ) from None
        self._doc_ids = ids["doc_id"]

    def search(self, queries: Sequence[Query], depth: int) -> list[Candidates]:
        """Returns the best `depth` documents of each query; see `Searcher.search`.

        `ncells`, `centroid_score_threshold` and `ndocs` are colbert-ai's defaults for the depth;
        few cells are searched, so that a list may be shorter than the depth.
        """
        if not queries:
            return []
        # Without a reset the defaults for an earlier search's depth would stay.
        self._searcher.configure(ncells=None, centroid_score_threshold=None, ndocs=None)
        encoded = self._searcher.encode([query.text for query in queries])
        found = []
        for query, vectors in zip(queries, encoded, strict=True):
            passages, _, scores = self._searcher.dense_search(vectors[None], k=depth)
            doc_ids = tuple(self._doc_ids[passage].as_py() for passage in passages)
            found.append(Candidates(query.query_id, doc_ids, tuple(scores)))
        return found
