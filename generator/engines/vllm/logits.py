"""vLLM in this process: the logits of two answers after a prompt, without writing any."""

from __future__ import annotations

import itertools

from rankgen.generator.answers.outcomes import TeacherFailure
from rankgen.generator.engines.vllm.arguments import VllmSettings
from rankgen.generator.engines.vllm.engine import VllmEngine
from rankgen.generator.engines.vllm.final_output import final_output
from rankgen.manifests.models.pair_ids import AnswerIds

# Log-probabilities would have lost a logit's own value, which some re-rankers' scores are.
MODE = "logprobs_mode"


class VllmLogits(VllmEngine):
    """Asks vLLM for the logits of tokens; see `VllmEngine`."""

    def __init__(self, settings: VllmSettings) -> None:
        arguments = {**settings.engine_args, MODE: "raw_logits"}
        super().__init__(settings.model_copy(update={"engine_args": arguments, "drafts": "off"}))
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
        name = f"pair-{next(self._asked)}"
        answer = await final_output(self._llm, prompt, sampling, name, self._adapter)
        given = answer.logprobs
        if not given or any(one not in given[0] for one in wanted):
            raise TeacherFailure("vLLM gave no logits for the answers")
        yes, *no = (float(given[0][one].logprob) for one in wanted)
        return yes, no[0] if no else None
