"""A T5 or a yes/no language model as a pointwise teacher, by transformers in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rankgen.generator.teachers.scoring import BATCH, ScoringTeacher
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.models.families import Family
from rankgen.manifests.models.model_source import ModelSource
from rankgen.manifests.models.pair_model import PairModel
from rankgen.manifests.models.pair_prompts import PairPrompt
from rankgen.manifests.models.rendered_pairs import refuse_lost_texts

_INSTALL = 'pip install "rankgen-distill[pointwise]"'


class PromptedPairsTeacher(ScoringTeacher):
    """Orders passages by the model's answer about each.

    Args:
        settings: Resolved settings of a pointwise teacher.
        source: Its model.
        family: Its kind, with the prompt.

    Raises:
        EnvironmentProblem: A package is missing.
        UsageError: There is no such model, it lacks weights or an answer, or its prompt leaves out
            a text.
    """

    def __init__(self, settings: LabelSettings, source: ModelSource, family: Family) -> None:
        super().__init__(settings.teacher, _INSTALL)
        self._source = source
        self._dtype = settings.dtype or "float32"
        self._model = PairModel(
            hub_name(settings),
            family,
            dtype=self._dtype,
            device="cuda" if self.is_on_gpu else "cpu",
            max_length=settings.context_size,
        )
        refuse_lost_texts(f"the teacher {settings.model}", self._model.pairs.ids)

    def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        """Returns the score of the query with each passage; see `PairPrompt.score`."""
        prompts = [self._model.pairs.ids(query, passage) for passage in passages]
        return self.in_batches(
            [len(prompt) for prompt in prompts],
            lambda places: [prompts[i] for i in places],
            self._model.scores,
            BATCH,
        )

    def identity(self) -> Mapping[str, object]:
        """Returns the weights' identity, the prompt and the method of scoring."""
        pairs = self._model.pairs
        return {
            "teacher": "pointwise",
            "model": self._source.identity(),
            "dtype": self._dtype,
            "batch": BATCH,
            **prompt_identity(pairs.prompt, pairs.max_length),
        }

    def facts(self) -> Mapping[str, str]:
        """Returns the device, the number format and the prompt."""
        return {
            "device": str(self._model.model.device),
            "dtype": self._dtype,
            "pair_prompt": self._model.pairs.prompt.name,
        }


def hub_name(settings: LabelSettings) -> str:
    """Returns the model as a folder, or as "ID@COMMIT"."""
    return f"{settings.model}@{settings.revision}" if settings.revision else settings.model or ""


def prompt_identity(prompt: PairPrompt, max_length: int) -> dict[str, object]:
    """Returns what of a prompt changes scores."""
    return {
        "pair_prompt": prompt.name,
        "pair_prompt_sha256": prompt.sha256,
        "instruction": prompt.instruction,
        "max_length": max_length,
    }
