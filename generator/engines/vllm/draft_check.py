"""How drafts are checked on a CPU: by one look at each row of logits.

vLLM copies the logits of a step before it takes the highest of each row, which temperatures and
masks need and greedy decoding does not. With 64 answers of five tokens and 32,000 logits a token,
those copies are 80 MB a step.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import TYPE_CHECKING, Protocol

import torch
from vllm.v1.outputs import SamplerOutput
from vllm.v1.sample.logits_processor.builtin import (
    LogitBiasLogitsProcessor,
    MinTokensLogitsProcessor,
)
from vllm.v1.sample.rejection_sampler import PLACEHOLDER_TOKEN_ID, RejectionSampler

if TYPE_CHECKING:
    from vllm.config.speculative import SpeculativeConfig
    from vllm.v1.sample.metadata import SamplingMetadata
    from vllm.v1.sample.sampler import Sampler
    from vllm.v1.spec_decode.metadata import SpecDecodeMetadata


class ModelRunner(Protocol):
    """What runs the model in vLLM's worker."""

    sampler: Sampler
    speculative_config: SpeculativeConfig | None
    device: torch.device
    rejection_sampler: RejectionSampler


class Worker(Protocol):
    """vLLM's worker."""

    model_runner: ModelRunner


def check_greedily(worker: Worker) -> None:
    """Has the worker check its drafts, if it has any, by `GreedyCheck`."""
    runner = worker.model_runner
    if runner.speculative_config is not None:
        runner.rejection_sampler = GreedyCheck(
            runner.sampler, runner.speculative_config, runner.device
        )


class GreedyCheck(RejectionSampler):
    """vLLM's check of drafts, short where every request of a step is plainly greedy."""

    def forward(
        self,
        metadata: SpecDecodeMetadata,
        draft_probs: torch.Tensor | None,
        logits: torch.Tensor,
        sampling_metadata: SamplingMetadata,
    ) -> SamplerOutput:
        """Returns the tokens that each request keeps.

        Args:
            metadata: The drafts, and which rows of the logits belong to them.
            draft_probs: How likely the drafts were held to be; counted n-grams say nothing of it.
            logits: Shape (drafted tokens + requests, vocabulary).
            sampling_metadata: What the requests asked for.
        """
        not_yet = None if self.synthetic_mode else forbidden(sampling_metadata)
        if not_yet is None:
            return super().forward(metadata, draft_probs, logits, sampling_metadata)
        best = logits.argmax(dim=-1)
        kept = kept_tokens(
            metadata.draft_token_ids.tolist(),
            metadata.num_draft_tokens,
            best[metadata.target_logits_indices].tolist(),
            best[metadata.bonus_logits_indices].tolist(),
        )
        if any(not tokens.isdisjoint(kept[row]) for row, tokens in not_yet.items()):
            return super().forward(metadata, draft_probs, logits, sampling_metadata)
        width = metadata.max_spec_len + 1
        padded = [tokens + [PLACEHOLDER_TOKEN_ID] * (width - len(tokens)) for tokens in kept]
        ids = torch.tensor(padded, dtype=torch.int32, device=logits.device)
        return SamplerOutput(sampled_token_ids=ids, logprobs_tensors=None)


def forbidden(asked: SamplingMetadata) -> dict[int, Set[int]] | None:
    """Returns the tokens that requests may not write yet: those that end an answer too early.

    Of all other tokens of a row, the one with the highest logit is the next.

    Returns:
        A set of tokens for some of the requests; None if the next tokens depend on more.
    """
    thinking = asked.thinking_budget_state_holder
    if not (
        asked.all_greedy
        and asked.no_penalties
        and asked.max_num_logprobs is None
        and not asked.logprob_token_ids
        and asked.allowed_token_ids_mask is None
        and not asked.bad_words_token_ids
        and (thinking is None or not thinking.has_tracked_requests())
    ):
        return None
    found = dict[int, Set[int]]()
    for processor in asked.logitsprocs.non_argmax_invariant:
        if isinstance(processor, MinTokensLogitsProcessor):
            found |= {row: stops for row, (_, _, stops, _) in processor.min_toks.items()}
        elif not isinstance(processor, LogitBiasLogitsProcessor) or processor.biases:
            return None
    return found


def kept_tokens(
    drafts: Sequence[int], counts: Sequence[int], best: Sequence[int], after: Sequence[int]
) -> list[list[int]]:
    """Returns what the model would have written without drafts, one list a request.

    Args:
        drafts: The drafted tokens of all requests, one after the other.
        counts: How many of them each request has.
        best: The model's token in the place of each draft.
        after: Its token after each request's last draft, which holds if all drafts do.
    """
    kept, begin = list[list[int]](), 0
    for count, last in zip(counts, after, strict=True):
        tokens = list[int]()
        for draft, token in zip(
            drafts[begin : begin + count], best[begin : begin + count], strict=True
        ):
            tokens.append(token)
            if draft != token:
                break
        else:
            tokens.append(last)
        kept.append(tokens)
        begin += count
    return kept
