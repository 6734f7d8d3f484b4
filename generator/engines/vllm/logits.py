"""vLLM in this process: the logits of two answers after a prompt, without writing any."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from rankgen.generator.answers.outcomes import EngineDead, TeacherFailure
from rankgen.generator.engines.vllm.arguments import VllmSettings
from rankgen.generator.engines.vllm.engine import VllmEngine
from rankgen.manifests.errors import reason_of
from rankgen.manifests.models.pair_ids import AnswerIds

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.outputs import RequestOutput

# Log-probabilities would have lost a logit's own value, which some re-rankers' scores are.
MODE = "logprobs_mode"


class VllmLogits(VllmEngine):
    """Asks vLLM for the logits of tokens; see `VllmEngine`."""

    def __init__(self, settings: VllmSettings) -> None:
        arguments = {**settings.engine_args, MODE: "raw_logits"}
        super().__init__(settings.model_copy(update={"engine_args": arguments}))
        self._asked = itertools.count()

    async def logits(self, prompt: list[int], answers: AnswerIds) -> tuple[float, float | None]:
        """Returns the logits of yes and no as the token after a prompt.

        Raises:
            TeacherFailure: This request failed; others may succeed.
            EngineDead: The engine is gone; the process must exit.
        """
        from vllm import SamplingParams

        wanted = [one for one in answers if one is not None]
        sampling = SamplingParams(
            temperature=0.0, max_tokens=1, logprob_token_ids=wanted, detokenize=False
        )
        output = await self._final(prompt, sampling)
        given = output.outputs[0].logprobs if output.outputs else None
        if not given or any(one not in given[0] for one in wanted):
            raise TeacherFailure("vLLM gave no logits for the answers")
        yes, *no = (float(given[0][one].logprob) for one in wanted)
        return yes, no[0] if no else None

    async def _final(self, prompt: list[int], sampling: SamplingParams) -> RequestOutput:
        from vllm import TokensPrompt
        from vllm.exceptions import VLLMClientError
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        final = None
        try:
            async for output in self._llm.generate(
                TokensPrompt(prompt_token_ids=prompt),
                sampling,
                request_id=f"pair-{next(self._asked)}",
                lora_request=self._adapter,
            ):
                final = output
        except EngineDeadError as error:
            raise EngineDead("vLLM's engine process is gone") from error
        except VLLMClientError as error:
            raise TeacherFailure(f"vLLM refused the prompt: {reason_of(error)}") from error
        except EngineGenerateError as error:
            if self._llm.errored:
                raise EngineDead("vLLM's engine process is gone") from error
            raise TeacherFailure(f"vLLM failed on the prompt: {error.__cause__}") from error
        if final is None:
            raise TeacherFailure("vLLM ended the request without an answer")
        return final
