"""An existing TREC run as the teacher: each window takes the order the run gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rankgen.generator.outcomes import TeacherFailure, WindowOutcome, WindowResult
from rankgen.manifests.digest import sha256_of_file
from rankgen.manifests.records import Document, Query
from rankgen.manifests.trec import read_run, trec_eval_order


class RecordedTeacher:
    """Replays a run file.

    Documents are ordered as trec_eval orders them: score descending, ties by id descending. Those
    the run lacks follow in input order and are counted as missing.

    Args:
        path: Six-column TREC run.

    Raises:
        UsageError: The file is missing or malformed.
    """

    default_window: int | None = None
    default_stride: int | None = None

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sha256 = sha256_of_file(path) if path.is_file() else ""
        self._places: dict[str, dict[str, int]] = {
            query_id: {line.doc_id: place for place, line in enumerate(trec_eval_order(lines))}
            for query_id, lines in read_run(path).items()
        }
        self.name = f"recorded:{path}"

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        """Orders the window by the run; see `Teacher.rank_window`."""
        places = self._places.get(query.query_id)
        if places is None:
            raise TeacherFailure(f"the run {self._path} has no query {query.query_id}")
        present = [i for i, passage in enumerate(passages) if passage.doc_id in places]
        absent = [i for i, passage in enumerate(passages) if passage.doc_id not in places]
        present.sort(key=lambda i: places[passages[i].doc_id])
        return WindowResult(
            permutation=(*present, *absent),
            outcome=WindowOutcome.REPAIRED if absent else WindowOutcome.OK,
            missing=len(absent),
        )

    async def close(self) -> None:
        """Holds nothing."""

    def identity(self) -> Mapping[str, object]:
        """Returns the digest of the run file, whatever it is called."""
        return {"teacher": "recorded", "run_sha256": self._sha256}

    def facts(self) -> Mapping[str, str]:
        """Returns the file's path."""
        return {"run": str(self._path)}
