"""How vLLM is asked for one answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankgen.generator.engines.base import AskedRanking

if TYPE_CHECKING:
    from vllm import SamplingParams

# The name under which a request tells `ranking_mask` of its ranking.
RANKING = "rankgen_ranking"
MASK = "rankgen.generator.engines.vllm.ranking_mask:RankingMask"


def greedy(
    max_tokens: int, *, force_length: bool, decodes: bool, ranking: AskedRanking | None = None
) -> SamplingParams:
    """Returns the parameters of a greedy answer.

    Args:
        max_tokens: Limit on its tokens.
        force_length: Whether it has exactly so many.
        decodes: Whether vLLM turns its tokens into text, which takes most of the time of an answer
            outside of the model.
        ranking: What it is kept to; see `EnginePrompt`.
    """
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        temperature=0.0,
        max_tokens=max_tokens,
        # A ranking ends where it is complete.
        min_tokens=max_tokens if force_length and ranking is None else 0,
        output_kind=RequestOutputKind.FINAL_ONLY,
        detokenize=decodes,
        extra_args=None if ranking is None else {RANKING: list(ranking)},
    )
