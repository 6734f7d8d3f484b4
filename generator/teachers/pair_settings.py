"""How a re-ranker that is a language model is shown a query and a passage."""

from __future__ import annotations

from typing import Annotated

from rankgen.manifests.models.pair_prompts import PairPromptName
from rankgen.manifests.options import Option, Settings


class PairSettings(Settings):
    """The prompt of a pointwise or pairwise teacher."""

    panel = "Pairs"
    pair_prompt: Annotated[
        PairPromptName | None,
        Option(
            "How a re-ranker that is a language model is shown a query and a passage, and which "
            "tokens answer.",
            "told by the model's name and config.json",
        ),
    ] = None
    instruction: Annotated[
        str | None,
        Option(
            "What is asked of the passages, for re-rankers that take an instruction.",
            "the one that the model was trained with",
            metavar="TEXT",
        ),
    ] = None
