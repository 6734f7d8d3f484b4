"""Drafts answers for vLLM, which checks several tokens in a step and keeps those it would write.

vLLM imports this module by name in the process of its engine, and only there (its speculative
method "custom_class"). What it keeps is what greedy decoding writes, so drafts change no answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rankgen.generator.answers.next_tokens import CONTEXT, NextTokens

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from vllm.config import VllmConfig

PROPOSER = "rankgen.generator.engines.vllm.drafts.AnswerDrafts"
# "] > [1", in the pieces of most tokenizers.
DRAFT_TOKENS = 4
# Where more requests share a step, it is bound by what it computes. A CPU answers 64 at a time with
# drafts faster than 200 at a time without, but not 95; so it is given no more than this.
MOST_REQUESTS = 64


class AnswerDrafts:
    """What vLLM asks for the next tokens of every request, after each step."""

    def __init__(self, vllm_config: VllmConfig) -> None:
        speculative = vllm_config.speculative_config
        assert speculative is not None
        self._most = int(speculative.num_speculative_tokens)
        self._context_size = int(vllm_config.model_config.max_model_len)
        self._next = NextTokens()

    def load_model(self, *_: object) -> None:
        """Loads nothing: there is no second model."""

    def propose(
        self,
        sampled_token_ids: Sequence[Sequence[int]],
        num_tokens_no_spec: npt.NDArray[np.int32],
        token_ids_cpu: npt.NDArray[np.int32],
        slot_mappings: object = None,
    ) -> list[list[int]]:
        """Returns a draft for each request; none where many share a step.

        Args:
            sampled_token_ids: What the last step wrote, one list a request; empty while its prompt
                is being read.
            num_tokens_no_spec: The length of each request's prompt and answer, shape (requests,).
            token_ids_cpu: The tokens of both, shape (requests, context size).
            slot_mappings: Not used.
        """
        del slot_mappings
        most = self._most if len(sampled_token_ids) <= MOST_REQUESTS else 0
        drafts = list[list[int]]()
        for row, written in enumerate(sampled_token_ids):
            if not written:
                drafts.append([])
                continue
            end = int(num_tokens_no_spec[row])
            recent = token_ids_cpu[row, max(0, end - len(written) - CONTEXT) : end].tolist()
            self._next.learn(recent)
            drafts.append(self._next.guess(recent, min(most, self._context_size - end - 1)))
        return drafts
