"""An existing TREC run as the teacher: each window is ordered as in the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from rankgen.generator.answers.outcomes import TeacherFailure, WindowOutcome, WindowResult
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.storage.digest import sha256_of_file
from rankgen.manifests.teacher_scores import LARGEST_SCORE
from rankgen.manifests.trec import RunLine, read_run
from rankgen.retrieval.runs.run_order import Order, Tally, ordered


def open_teacher(argument: str, settings: LabelSettings) -> RecordedTeacher:
    """Reads the run; see `PlainTeacher`, as for the next two."""
    return RecordedTeacher(Path(argument), settings.order or "score")


def recipe(argument: str) -> dict[str, JsonValue]:
    """Returns the digest of the run, wherever it is."""
    if not Path(argument).is_file():
        raise UsageError(
            f"there is no run file {argument}", "use --teacher recorded:FILE with a TREC run"
        )
    return {"teacher": "recorded", "run_sha256": sha256_of_file(Path(argument))}


def anchored(argument: str) -> str:
    """Returns the absolute path of the run."""
    return str(Path(argument).absolute())


class RecordedTeacher:
    """Replays a run file.

    Documents are ordered as by a recorded first stage. Those that are not in the run follow in
    input order and are counted as missing.

    Args:
        path: Six-column TREC run.
        order: The column to order by; see `rankgen.retrieval.runs.run_order.ordered`.

    Raises:
        UsageError: The file is missing or malformed.
    """

    default_window: int | None = None
    default_stride: int | None = None

    def __init__(self, path: Path, order: Order = "score") -> None:
        self._path, self._order = path, order
        self._lists = read_run(path, duplicates="keep")
        self._sha256 = sha256_of_file(path)
        self.name = f"recorded:{path}"

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        """Orders the window by the run; see `Teacher.rank_window`."""
        rows = self._lists.get(query.query_id)
        if not rows:
            raise TeacherFailure(f"the run {self._path} has no query {query.query_id}")
        lines = ordered(rows, self._order)
        places = {row.doc_id: place for place, row in enumerate(lines)}
        present = [i for i, passage in enumerate(passages) if passage.doc_id in places]
        absent = [i for i, passage in enumerate(passages) if passage.doc_id not in places]
        present.sort(key=lambda i: places[passages[i].doc_id])
        return WindowResult(
            permutation=(*present, *absent),
            outcome=WindowOutcome.REPAIRED if absent else WindowOutcome.OK,
            missing=len(absent),
            scores=None if absent else self._scores(lines, passages),
        )

    def _scores(
        self, lines: Sequence[RunLine], passages: Sequence[Document]
    ) -> tuple[float, ...] | None:
        """Returns the passages' scores, if these are what orders them and 32 bits hold them."""
        scores = {line.doc_id: line.score for line in lines}
        found = tuple(scores[passage.doc_id] for passage in passages)
        largest = max(map(abs, found), default=0.0)
        return found if self._order == "score" and largest <= LARGEST_SCORE else None

    async def close(self) -> None:
        """Does nothing: the run is closed already."""

    def identity(self) -> Mapping[str, object]:
        """Returns the digest of the run file, not its path, and the column to order by."""
        # Windows that were journalled before scores were kept have none.
        held = {"scores": "kept"} if self._order == "score" else {}
        return {"teacher": "recorded", "run_sha256": self._sha256, "order": self._order, **held}

    def facts(self) -> Mapping[str, str]:
        """Returns the file's path."""
        return {"run": str(self._path)}


def recorded_losses(path: Path, order: Order, candidates: Iterable[Candidates]) -> dict[str, int]:
    """Counts what a run lacks or leaves undecided as the teacher of these candidates.

    Args:
        path: Six-column TREC run.
        order: The column to order by.
        candidates: The candidates of every query to label.

    Returns:
        The counts of `RunLosses` that concern a teacher, over the lines of candidates, and the
        number of candidates without a line.
    """
    lists, tally = read_run(path, duplicates="keep"), Tally(0)
    without_lines = candidates_without_line = 0
    for query_id, doc_ids, _ in candidates:
        wanted = set(doc_ids)
        rows = [row for row in lists.get(query_id, ()) if row.doc_id in wanted]
        if not rows:
            without_lines += 1
            continue
        kept = ordered(rows, order)
        candidates_without_line += len(wanted) - len(kept)
        tally.add(rows, kept, frozenset())
    losses = tally.losses(without_lines).model_dump()
    of_retrieval = {"short_lists", "rows_without_document"}
    return {
        **{name: count for name, count in losses.items() if name not in of_retrieval},
        "candidates_without_line": candidates_without_line,
    }
