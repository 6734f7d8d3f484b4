"""duoT5 as the teacher: the probability that one passage is more relevant than another.

Source: Pradeep et al., "The Expando-Mono-Duo Design Pattern for Text Ranking with Pretrained
Sequence-to-Sequence Models", arXiv 2101.05667. A passage's score is the sum over all others of the
probabilities in both orders (SYM-SUM).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rankgen.generator.answers.pair_verdicts import ordered_pairs
from rankgen.generator.teachers.prompted_pairs import hub_name, prompt_identity
from rankgen.generator.teachers.scoring import BATCH, ScoringTeacher
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.models.families import family_of
from rankgen.manifests.models.model_source import ModelSource
from rankgen.manifests.models.pair_model import PairModel
from rankgen.manifests.models.rendered_pairs import refuse_lost_texts

_INSTALL = 'pip install "rankgen-distill[pointwise]"'
_PROMPT = "duot5"


class DuoTeacher(ScoringTeacher):
    """Orders passages by comparisons of all pairs of a window, in both orders.

    Args:
        settings: Resolved settings of a pairwise teacher whose model is a duoT5.
        source: Its model.

    Raises:
        EnvironmentProblem: A package is missing.
        UsageError: There is no such model, it is not a T5, or it lacks weights or an answer.
    """

    are_relative = True

    def __init__(self, settings: LabelSettings, source: ModelSource) -> None:
        super().__init__(settings.teacher, _INSTALL)
        self.default_window = settings.preset.window
        self.default_stride = settings.preset.stride
        self._source = source
        self._dtype = settings.dtype or "float32"
        self._model = PairModel(
            hub_name(settings),
            family_of(settings.model or "", settings.revision, _PROMPT),
            dtype=self._dtype,
            device="cuda" if self.is_on_gpu else "cpu",
            max_length=settings.context_size,
        )
        pairs = self._model.pairs
        who = f"the teacher {settings.model}"
        refuse_lost_texts(who, lambda query, passage: pairs.ids(query, passage, "a stone"))
        refuse_lost_texts(who, lambda query, passage: pairs.ids(query, "a stone", passage))

    def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        """Returns the sum of the comparisons of each passage, from 0 to twice the others."""
        pairs = ordered_pairs(len(passages))
        prompts = [self._model.pairs.ids(query, passages[i], passages[j]) for i, j in pairs]
        logs = self.in_batches(
            [len(prompt) for prompt in prompts],
            lambda places: [prompts[place] for place in places],
            self._model.scores,
            BATCH,
        )
        sums = [0.0] * len(passages)
        for (first, second), log in zip(pairs, logs, strict=True):
            sums[first] += math.exp(log)
            sums[second] += -math.expm1(log)
        return sums

    def identity(self) -> Mapping[str, object]:
        """Returns the weights' identity, the prompt and the method of scoring."""
        pairs = self._model.pairs
        return {
            "teacher": "pairwise",
            "model": self._source.identity(),
            "dtype": self._dtype,
            "batch": BATCH,
            "sum": "both orders",
            **prompt_identity(pairs.prompt, pairs.max_length),
        }

    def facts(self) -> Mapping[str, str]:
        """Returns the device, the number format and the prompt."""
        return {
            "device": str(self._model.model.device),
            "dtype": self._dtype,
            "pair_prompt": _PROMPT,
        }
