"""One request to vLLM, from its prompt to its last output, with vLLM's errors as ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rankgen.generator.answers.outcomes import EngineDead, TeacherFailure
from rankgen.manifests.errors import reason_of

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.lora.request import LoRARequest
    from vllm.outputs import CompletionOutput
    from vllm.v1.engine.async_llm import AsyncLLM


async def final_output(
    llm: AsyncLLM,
    token_ids: Sequence[int],
    sampling: SamplingParams,
    request_id: str,
    adapter: LoRARequest | None,
) -> CompletionOutput:
    """Returns what vLLM wrote behind a prompt.

    Args:
        llm: The engine.
        token_ids: The prompt.
        sampling: How it is continued.
        request_id: A name that no other request has.
        adapter: The LoRA adapter; None for the model itself.

    Raises:
        TeacherFailure: This request failed; others may succeed.
        EngineDead: The engine is gone; the process must exit.
    """
    from vllm import TokensPrompt
    from vllm.exceptions import VLLMClientError
    from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

    final = None
    try:
        async for output in llm.generate(
            TokensPrompt(prompt_token_ids=list(token_ids)),
            sampling,
            request_id=request_id,
            lora_request=adapter,
        ):
            final = output
    except EngineDeadError as error:
        raise EngineDead("vLLM's engine process is gone") from error
    except VLLMClientError as error:
        raise TeacherFailure(f"vLLM refused the prompt: {reason_of(error)}") from error
    except EngineGenerateError as error:
        if llm.errored:
            raise EngineDead("vLLM's engine process is gone") from error
        raise TeacherFailure(f"vLLM failed on the prompt: {error.__cause__}") from error
    if final is None or not final.outputs or final.outputs[0].finish_reason is None:
        raise TeacherFailure("vLLM ended the request without an answer")
    return final.outputs[0]
