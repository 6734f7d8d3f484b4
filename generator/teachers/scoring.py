"""What teachers share that score passages by a model in this process.

Scores must not depend on what else is being labelled, so that an interrupted run ends byte for byte
like an uninterrupted one. On a CPU every forward pass is therefore made by one thread; other
threads make others at the same time.
"""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from rankgen.generator.answers.outcomes import (
    NO_TOKENS,
    TeacherFailure,
    TokenUsage,
    WindowResult,
)
from rankgen.manifests.errors import EnvironmentProblem
from rankgen.manifests.records import Document, Query

Prepared = TypeVar("Prepared")
# Small enough that a list of a hundred keeps several threads at work.
BATCH = 16


class ScoringTeacher(ABC):
    """Orders passages by their scores; ties keep their input order.

    Args:
        name: The teacher's name.
        install: What to type where PyTorch is missing.

    Attributes:
        threads: Number of forward passes at a time: one for each core of the actor's share.
        forward: Makes them.
        is_on_gpu: Whether there is a GPU.
        are_relative: Whether scores only compare passages of one window.

    Raises:
        EnvironmentProblem: PyTorch is missing.
    """

    default_window: int | None = None
    default_stride: int | None = None
    are_relative = False

    def __init__(self, name: str, install: str) -> None:
        try:
            import torch
        except ImportError as error:
            raise EnvironmentProblem(
                f"the package {error.name} is not installed", install
            ) from None
        self.name = name
        self.is_on_gpu = torch.cuda.is_available()
        # The actor's share (Ray sets OMP_NUM_THREADS), or all cores outside Ray.
        self.threads = torch.get_num_threads()
        # Splitting a sum over threads would change its last bits.
        torch.set_num_threads(1)
        self.forward = ThreadPoolExecutor(self.threads, thread_name_prefix="forward")
        # Only this thread uses tokenizer and caches.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rank")

    @abstractmethod
    def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        """Returns the score of the query with each passage, higher is better."""

    def in_batches(
        self,
        sizes: Sequence[int],
        prepared: Callable[[list[int]], Prepared],
        scored: Callable[[Prepared], list[float]],
        batch: int,
    ) -> list[float]:
        """Scores a list in batches of its own passages, several batches at a time.

        Args:
            sizes: The length of each passage; those of about one length share a batch.
            prepared: Returns what the model is given for the passages at these places.
            scored: Returns the scores of what was prepared; called by `forward`.
            batch: Passages of a batch.

        Returns:
            A score for each size.
        """
        from rankgen.manifests.models.cpu_kernels import fast_kernels

        def fast(given: Prepared) -> list[float]:
            # Each thread has kernels of its own choice.
            with fast_kernels("cuda" if self.is_on_gpu else "cpu"):
                return scored(given)

        places = sorted(range(len(sizes)), key=lambda i: (-sizes[i], i))
        batches = [places[start : start + batch] for start in range(0, len(places), batch)]
        inputs = [prepared(one) for one in batches]
        found: dict[int, float] = {}
        for one, scores in zip(batches, self.forward.map(fast, inputs), strict=True):
            found |= zip(one, scores, strict=True)
        return [found[i] for i in range(len(sizes))]

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        """Orders the window by its scores; see `Teacher.rank_window`."""
        loop = asyncio.get_running_loop()
        texts = [passage.contents for passage in passages]
        scores = await loop.run_in_executor(self._thread, self.scores, query.text, texts)
        return by_scores(scores, are_relative=self.are_relative)

    async def close(self) -> None:
        """Ends the threads."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self.forward.shutdown(wait=False, cancel_futures=True)


def by_scores(
    scores: Sequence[float], *, are_relative: bool = False, usage: TokenUsage = NO_TOKENS
) -> WindowResult:
    """Returns a window ordered by its passages' scores; ties keep their input order.

    Args:
        scores: A score for each passage, in input order.
        are_relative: Whether they only compare passages of the window.
        usage: Tokens read and written.

    Raises:
        TeacherFailure: A score is no number, so there is no order: half precision overflows in
            some models.
    """
    odd = next((score for score in scores if not math.isfinite(score)), None)
    if odd is not None:
        raise TeacherFailure(
            f"the model's score of a passage is {odd} (--dtype float32 leaves more room)",
            usage=usage,
        )
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    return WindowResult(tuple(order), scores=tuple(scores), are_relative=are_relative, usage=usage)
