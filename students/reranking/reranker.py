"""The student as a re-ranker: loaded where the work is done, it scores and orders candidates."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.long_documents.rule import ChunkRule
from rankgen.manifests.records import Candidates, Document
from rankgen.students.model.precision import as_precision
from rankgen.students.reranking.candidates import CandidateTexts, Scores
from rankgen.students.reranking.chunk_batches import chunk_batches, in_documents
from rankgen.students.reranking.strict_order import (
    TiePolicy,
    finite,
    strictly_ordered,
    with_the_rest,
)

if TYPE_CHECKING:
    from rankgen.students.model.cross_encoder import CrossEncoder
    from rankgen.students.model.hardware import Hardware
    from rankgen.students.model.pair_template import Pair
    from rankgen.students.model.scoring import Advance


@dataclass(frozen=True)
class StudentReranker:
    """Orders candidate lists by a student's scores.

    Attributes:
        encoder: The student, on the hardware's device.
        hardware: Where and how it computes.
        depth: Candidates of a list that are scored; those below keep the first stage's order. None
            scores all.
        ties: Which of two equal scores comes first in `rerank`.
    """

    encoder: CrossEncoder
    hardware: Hardware
    depth: int | None = None
    ties: TiePolicy = "first-stage"

    @classmethod
    def load(
        cls,
        student: str,
        precision: str,
        *,
        depth: int | None = None,
        ties: TiePolicy = "first-stage",
        device: str = "auto",
        chunk_tokens: int | None = None,
        threads: int | None = None,
        long_documents: ChunkRule | Literal["own"] | None = "own",
    ) -> StudentReranker:
        """Loads a student, a folder or a model id, onto this machine as `choose_hardware` says.

        Long documents are read as in its training, unless another rule is given; None cuts them.

        Raises:
            UsageError: There is no such student.
            EnvironmentProblem: A GPU is asked for and there is none.
            IntegrityProblem: A shipped student's graph is not the one that was shipped.
        """
        # torch and transformers load here, so that a driver, or evaluating run files alone, needs
        # neither.
        from rankgen.students.model.hardware import choose_hardware, place
        from rankgen.students.model.loading import load_cross_encoder
        from rankgen.students.shipping.shipped_student import open_shipped

        shipped = open_shipped(student, device, chunk_tokens, threads)
        if shipped is not None:
            encoder, hardware = shipped
        else:
            hardware = choose_hardware(
                device, as_precision(precision), chunk_tokens=chunk_tokens, threads=threads
            )
            encoder = load_cross_encoder(student)
            place(encoder.model, hardware)
        if long_documents != "own":
            encoder = replace(encoder, long_documents=long_documents)
        return cls(encoder, hardware, depth, ties)

    def scores(self, texts: CandidateTexts, advance: Advance | None = None) -> Scores:
        """Scores every candidate; equal scores stay equal.

        Args:
            texts: The lists, with the texts of the candidates that are scored.
            advance: Told how many more pairs were scored.

        Returns:
            query id -> document id -> score, in the lists' order: the student's logits, and below
            the lowest of them the candidates that are not scored, in first-stage order.

        Raises:
            IntegrityProblem: A score is NaN or infinite.
        """
        logits = self._logits(texts, advance)
        return {
            row.query_id: dict(
                zip(
                    row.doc_ids,
                    with_the_rest(finite(row.query_id, logits[row.query_id]), len(row.doc_ids)),
                    strict=True,
                )
            )
            for row in texts.candidates
        }

    def rerank(
        self,
        lists: Sequence[Candidates],
        queries: Mapping[str, str],
        documents: Mapping[str, Document],
        count: Callable[[int], None],
    ) -> tuple[list[Candidates], dict[str, str]]:
        """Orders lists, no two scores of a list equal; see `strictly_ordered`.

        Args:
            lists: First-stage candidates.
            queries: Text by query id.
            documents: By document id.
            count: Told how many more pairs were scored.

        Returns:
            The ordered lists, and query id -> reason for those with a score that is NaN or
            infinite.
        """
        contents = {doc_id: document.contents for doc_id, document in documents.items()}
        titles = {doc_id: document.title for doc_id, document in documents.items()}
        logits = self._logits(CandidateTexts(tuple(lists), queries, contents, titles), count)
        ordered: list[Candidates] = []
        failed: dict[str, str] = {}
        for row in lists:
            try:
                ordered.append(strictly_ordered(row, logits[row.query_id], self.ties))
            except IntegrityProblem as problem:
                failed[row.query_id] = problem.message
        return ordered, failed

    def facts(self) -> dict[str, str | int | bool]:
        """Returns where and how the student computes, and its size."""
        return {
            "device": str(self.hardware.device),
            "is_bf16": self.hardware.is_bf16,
            "parameters": self.parameters,
        }

    @property
    def parameters(self) -> int:
        """The number of the model's weights."""
        return sum(parameter.numel() for parameter in self.encoder.model.parameters())

    def _logits(self, texts: CandidateTexts, advance: Advance | None) -> dict[str, list[float]]:
        """Returns the scores of each list's first `depth` candidates by query id."""
        import torch

        from rankgen.students.model.document_scores import document_scores
        from rankgen.students.model.scoring import score_pairs

        encoder, rule = self.encoder, self.encoder.long_documents
        logits: dict[str, list[float]] = {}
        for batch in chunk_batches(rule, texts, self.depth):
            pairs = encoder.pairs(texts.queries, batch.texts, batch.named)
            self._tell_of_losses(pairs, batch.unread)
            told = in_documents(advance, batch.sizes)
            scored = torch.from_numpy(score_pairs(encoder, pairs, self.hardware, told))
            scores = iter(document_scores(rule, scored, batch.sizes).tolist())
            for row in batch.lists:
                count = len(row.doc_ids[: self.depth])
                logits[row.query_id] = list(itertools.islice(scores, count))
        return logits

    def _tell_of_losses(self, pairs: Sequence[Pair], unread: int) -> None:
        from rankgen.students.model.chunk_notices import tell_of_losses

        encoder, most = self.encoder, self.encoder.pair_tokens
        if most is None:
            most = encoder.passage_tokens
            longest = max((len(passage) for _, passage in pairs), default=0)
        else:
            longest = max((encoder.template.length(*pair) for pair in pairs), default=0)
        tell_of_losses(encoder.long_documents, unread, longest, most)
