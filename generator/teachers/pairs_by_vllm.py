"""A yes/no language model as a pointwise teacher, by vLLM in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from rankgen.generator.answers.outcomes import TokenUsage, WindowResult
from rankgen.generator.engines.gauges import gauges_of
from rankgen.generator.engines.vllm.arguments import VllmSettings
from rankgen.generator.engines.vllm.logits import VllmLogits
from rankgen.generator.teachers.prompted_pairs import hub_name, prompt_identity
from rankgen.generator.teachers.scoring import by_scores
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.models.families import Family
from rankgen.manifests.models.model_source import ModelSource
from rankgen.manifests.models.pair_model import PairTokenizer
from rankgen.manifests.models.rendered_pairs import refuse_lost_texts
from rankgen.manifests.records import Document, Query


class VllmPairsTeacher:
    """Orders passages by the model's answer about each.

    Args:
        settings: Resolved settings of a pointwise teacher, with the dtype of this machine.
        source: Its model.
        family: Its kind, with the prompt.

    Raises:
        EnvironmentProblem: vLLM is not installed, or cannot start with this model here.
        UsageError: The tokenizer lacks an answer, or the prompt leaves out a text.
    """

    default_window: int | None = None
    default_stride: int | None = None

    def __init__(self, settings: LabelSettings, source: ModelSource, family: Family) -> None:
        if family.prompt is None:
            raise ValueError(f"{settings.model} has no pair prompt")
        self.name = settings.teacher
        self._settings = settings
        self._model = source.identity()
        self._pairs = PairTokenizer(hub_name(settings), family.prompt, settings.context_size)
        # Before the engine starts, which takes minutes.
        refuse_lost_texts(f"the teacher {settings.model}", self._pairs.ids)
        self._engine = VllmLogits(
            settings.part(
                VllmSettings,
                tokenizer=None,
                # The answer's token needs a place.
                context_size=self._pairs.max_length + 1,
            )
        )
        # Off the event loop; one thread, as the tokenizer is not made for several.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tokens")

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        """Asks about every passage at once; see `Teacher.rank_window`."""
        texts = [passage.contents for passage in passages]
        loop = asyncio.get_running_loop()
        prompts = await loop.run_in_executor(self._thread, self._ids, query.text, texts)
        # All of them end before the first failure is told, so that none outlives its window.
        asked = (self._score(prompt) for prompt in prompts)
        found = await asyncio.gather(*asked, return_exceptions=True)
        for one in found:
            if isinstance(one, BaseException):
                raise one
        scores = tuple(one for one in found if not isinstance(one, BaseException))
        usage = TokenUsage(sum(map(len, prompts)), len(prompts))
        return by_scores(scores, usage=usage)

    def _ids(self, query: str, passages: Sequence[str]) -> list[list[int]]:
        return [self._pairs.ids(query, passage) for passage in passages]

    async def _score(self, prompt: list[int]) -> float:
        yes, no = await self._engine.logits(prompt, self._pairs.answers)
        return yes if no is None else yes - no

    def gauges(self) -> Mapping[str, float]:
        """Returns the engine's gauges."""
        return gauges_of(self._engine)

    async def close(self) -> None:
        """Stops the engine and the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        await self._engine.close()

    def identity(self) -> Mapping[str, object]:
        """Returns the weights' identity, the prompt, and how vLLM computes."""
        settings = self._settings
        return {
            "teacher": "pointwise",
            "model": self._model,
            "engine": "vllm",
            "dtype": settings.dtype,
            "tensor_parallel": settings.tensor_parallel,
            **({"engine_args": settings.engine_args} if settings.engine_args else {}),
            **prompt_identity(self._pairs.prompt, self._pairs.max_length),
        }

    def facts(self) -> Mapping[str, str]:
        """Returns the engine's provenance, and the prompt."""
        return {**self._engine.facts(), "pair_prompt": self._pairs.prompt.name}
