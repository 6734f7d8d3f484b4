"""What a training costs, from its settings and the size of its lists alone."""

from __future__ import annotations

import math
from typing import NamedTuple

from rankgen.generator.api.training_cost import SCORING_SPEED
from rankgen.manifests.counted import counted
from rankgen.manifests.recipes.estimates import Lists
from rankgen.students.training.settings import StudentSettings

# A pair of MS MARCO, special tokens included, counted for ELECTRA on the top 100 of BM25 for the
# queries of TREC DL 2019, cut as in appendix C of arXiv 2405.07920.
PAIR_TOKENS = 95.0
_SPECIAL_TOKENS = 3


class TrainingCost(NamedTuple):
    """What a training reads.

    Attributes:
        steps: Optimizer steps.
        tokens: Tokens of the pairs of its steps.
        validated: Tokens of the pairs that its validations score.
        text: Lists, passages and steps, in words.
    """

    steps: int
    tokens: float
    validated: float
    text: str

    @property
    def trained(self) -> float:
        """Tokens that take as long to train on as all of it does."""
        return self.tokens + self.validated / SCORING_SPEED


def pair_tokens(settings: StudentSettings) -> float:
    """Returns the mean tokens of a pair, where the student cuts no earlier than MS MARCO's end."""
    most = settings.query_tokens + settings.passage_tokens + _SPECIAL_TOKENS
    return min(PAIR_TOKENS, float(most))


def training_cost(settings: StudentSettings, source: Lists, validation_pairs: int) -> TrainingCost:
    """Returns what a training costs at most, or where its validation ends it, about.

    How long a validated training goes on before it gets no better is only known afterwards: it is
    counted as one pass over its lists, but never as less than its patience.

    Args:
        settings: How it is trained.
        source: Its lists.
        validation_pairs: Pairs that one validation scores.
    """
    of_list = min(source.passages, settings.depth or math.inf, settings.sample_size or math.inf)
    most = settings.max_steps or math.ceil(
        settings.epochs * source.lists / settings.queries_per_step
    )
    text = f"{counted(settings.queries_per_step, 'list')} of {of_list:.0f} passages a step"
    if settings.is_validated and settings.patience_steps is not None:
        one_pass = math.ceil(source.lists / settings.queries_per_step)
        steps = min(most, max(one_pass, settings.patience_steps))
        text += (
            f", until nDCG@10 has not risen for {counted(settings.patience_steps, 'step')}: "
            "counted as " + ("one pass of " if steps == one_pass else "") + counted(steps, "step")
        )
    else:
        steps = most
        text += f", {counted(steps, 'step')}"
    of_pair = pair_tokens(settings)
    validations = steps // settings.validate_every + 1 if settings.is_validated else 0
    return TrainingCost(
        steps=steps,
        tokens=steps * settings.queries_per_step * of_list * of_pair,
        validated=validations * validation_pairs * of_pair,
        text=text,
    )
