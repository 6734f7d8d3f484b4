"""A student that orders candidate lists, opened where the work is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.records import Candidates
from rankgen.students.choices import Precision
from rankgen.students.model.precision import as_precision, precision_and_warning
from rankgen.students.reranking.candidates import CandidateTexts
from rankgen.students.reranking.strict_order import TiePolicy, strictly_ordered


@dataclass(frozen=True)
class StudentOpener:
    """Loads a student in a worker process; pickles.

    Attributes:
        student: A folder or a model id.
        depth: Candidates of a query that are scored; None scores all.
        ties: Which of two equal scores comes first.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        chunk_tokens: Tokens of one forward pass, padding included; None chooses by device.
        threads: CPU threads; None leaves it to torch.
    """

    student: str
    depth: int | None = None
    ties: TiePolicy = "first-stage"
    device: str = "auto"
    chunk_tokens: int | None = None
    threads: int | None = None

    def __call__(self, precision: str) -> ListReranker:
        """Loads the model to compute in `precision`."""
        return ListReranker(self, as_precision(precision))


def precision_of_worker(device: str, asked: str) -> tuple[str, str | None]:
    """Returns what a precision comes to in this process, and a sentence where it is slow.

    Args:
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        asked: `fp32`, `bf16` or `auto`.

    Raises:
        EnvironmentProblem: A GPU is asked for and there is none.
    """
    from rankgen.students.model.hardware import choose_device

    return precision_and_warning(as_precision(asked), choose_device(device).type)


class _Counter:
    """Passes on how many pairs were scored."""

    def __init__(self, count: Callable[[int], None]) -> None:
        self._count = count

    def advance(self, steps: int = 1) -> None:
        self._count(steps)

    def note(self, text: str) -> None:
        """Has nowhere to show it."""


class ListReranker:
    """Orders candidate lists by a student's scores.

    Args:
        settings: What to load, and how to score.
        precision: `fp32` or `bf16`; `auto` is what suits this machine.

    Raises:
        UsageError: There is no such student.
        EnvironmentProblem: A GPU is asked for and there is none.
    """

    def __init__(self, settings: StudentOpener, precision: Precision) -> None:
        # torch and transformers load here, so that the driver needs neither.
        from rankgen.students.model.cross_encoder import load_cross_encoder
        from rankgen.students.model.hardware import choose_hardware, place

        self._settings = settings
        self._hardware = choose_hardware(
            settings.device,
            precision,
            chunk_tokens=settings.chunk_tokens,
            threads=settings.threads,
        )
        self._encoder = load_cross_encoder(settings.student)
        place(self._encoder.model, self._hardware)

    def rerank(
        self,
        lists: Sequence[Candidates],
        queries: Mapping[str, str],
        documents: Mapping[str, str],
        count: Callable[[int], None],
    ) -> tuple[list[Candidates], dict[str, str]]:
        """Orders lists.

        Args:
            lists: First-stage candidates.
            queries: Text by query id.
            documents: "title text" by document id.
            count: Told how many more pairs were scored.

        Returns:
            The ordered lists with strictly decreasing scores, and query id -> reason for those
            whose scores are no finite numbers.
        """
        from rankgen.students.reranking.scores import raw_scores

        whole = CandidateTexts(tuple(lists), dict(queries), dict(documents))
        scores = raw_scores(
            self._encoder,
            whole.cut(self._settings.depth),
            device=self._hardware.device,
            is_bf16=self._hardware.is_bf16,
            chunk_tokens=self._hardware.chunk_tokens,
            progress=_Counter(count),
        )
        ordered: list[Candidates] = []
        failed: dict[str, str] = {}
        for row in lists:
            own = list(scores[row.query_id].values())
            try:
                ordered.append(strictly_ordered(row, own, self._settings.ties))
            except IntegrityProblem as problem:
                failed[row.query_id] = problem.message
        return ordered, failed

    def facts(self) -> dict[str, str | int | bool]:
        """Returns where and how it computes."""
        return {
            "device": str(self._hardware.device),
            "is_bf16": self._hardware.is_bf16,
            "parameters": sum(p.numel() for p in self._encoder.model.parameters()),
        }
