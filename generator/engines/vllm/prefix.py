"""Has vLLM read the beginning of a prompt, so that its keys and values are in the prefix cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vllm.lora.request import LoRARequest
    from vllm.v1.engine.async_llm import AsyncLLM


async def read_prefix(
    llm: AsyncLLM, token_ids: Sequence[int], name: str, adapter: LoRARequest | None
) -> None:
    """Reads a prefix with a request for one token, the least that vLLM accepts.

    Args:
        llm: The engine.
        token_ids: The prefix.
        name: The request's own id.
        adapter: The adapter of the prompts; other weights have other keys and values.

    Raises:
        Exception: What vLLM raises for any request.
    """
    from vllm import SamplingParams, TokensPrompt
    from vllm.sampling_params import RequestOutputKind

    sampling = SamplingParams(
        temperature=0.0,
        max_tokens=1,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )
    prompt = TokensPrompt(prompt_token_ids=list(token_ids))
    async for _ in llm.generate(prompt, sampling, request_id=name, lora_request=adapter):
        pass
