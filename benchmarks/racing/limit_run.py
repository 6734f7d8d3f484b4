"""The engine's limit in a process of its own: every prompt is known in advance and asked at once.

    python -m racing.limit_run MODEL CONTEXT_SIZE DTYPE

The engine is rankgen's, started with its arguments; nothing is rendered, tokenised or read while
the clock runs. The process also calibrates the simulation, and says how narrowly tokens were won.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from racing.lists import WINDOW, finished_prompts, read_lists
from racing.measures import Measures
from racing.turns import serve
from rankgen.generator.engines.vllm.arguments import VllmSettings, engine_arguments
from rankgen.generator.teachers.prompter import ListwisePrompter
from rankgen.generator.teachers.registry import make_prompter
from rankgen.generator.teachers.settings import LabelSettings

BATCHES, REPEATS = (1, 4, 16, 32, 64), 3


class Limit:
    """An engine that is told everything at once."""

    def __init__(self, model: str, context_size: int, dtype: str) -> None:
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.async_llm import AsyncLLM

        told = {"model": model, "context_size": context_size, "dtype": dtype}
        format_given = os.environ.get("RACING_LOAD_FORMAT")
        extra = {"load_format": format_given} if format_given else {}
        # Drafts save time: they are no part of what the engine can do without.
        settings = VllmSettings.model_validate({**told, "engine_args": extra, "drafts": "off"})
        self.llm = AsyncLLM.from_engine_args(
            engine_arguments(settings), usage_context=UsageContext.LLM_CLASS
        )
        teacher = LabelSettings.model_validate({"teacher": "rankzephyr", **told})
        self.prompter: ListwisePrompter = make_prompter(teacher)
        self._numbers = itertools.count()

    async def ask(self, prompt: Sequence[int], tokens: int, logprobs: int | None = None) -> Any:
        """Continues one prompt by exactly so many tokens."""
        from vllm import SamplingParams, TokensPrompt
        from vllm.sampling_params import RequestOutputKind

        sampling = SamplingParams(
            temperature=0.0,
            max_tokens=tokens,
            min_tokens=tokens,
            detokenize=False,
            logprobs=logprobs,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        final = None
        request = f"limit-{next(self._numbers)}"
        async for output in self.llm.generate(
            TokensPrompt(prompt_token_ids=list(prompt)), sampling, request_id=request
        ):
            final = output
        assert final is not None
        return final.outputs[0]

    async def all(self, prompts: Sequence[Sequence[int]], tokens: int) -> float:
        """Continues all prompts at once and returns how long that took, in seconds."""
        began = time.monotonic()
        await asyncio.gather(*(self.ask(prompt, tokens) for prompt in prompts))
        return time.monotonic() - began

    async def warm_up(self) -> None:
        """Answers windows that no list leads to."""
        shown = read_lists(Path(os.environ["RACING_WARM"]))
        prompts = [self.prompter.build(query, found[:WINDOW]).token_ids for query, found in shown]
        await self.all(prompts, self.prompter.output_budget(WINDOW))

    async def measured(self, order: dict[str, Any]) -> dict[str, Any]:
        """Asks for all windows of a finished run."""
        found = finished_prompts(Path(order["lists"]), Path(order["run"]), self.prompter)
        tokens = self.prompter.output_budget(WINDOW)
        await self.llm.reset_prefix_cache()
        measures = Measures(Path(order["measures"]), os.getpid())
        measures.sample()
        measures.mark("begin")
        await self.all(list(found.values()), tokens)
        measures.mark("end")
        measures.end()
        return {
            "windows": len(found),
            "prompt_tokens": sum(map(len, found.values())),
            "output_tokens": tokens * len(found),
        }

    async def leads(self, order: dict[str, Any]) -> dict[str, Any]:
        """Returns, for some queries, by how much the narrowest token was won in any window.

        Leads are differences of log-probabilities of the best two tokens.
        """
        found = finished_prompts(Path(order["lists"]), Path(order["run"]), self.prompter)
        tokens = self.prompter.output_budget(WINDOW)
        narrowest = dict[str, float]()
        for (query_id, _), prompt in found.items():
            if query_id in order["queries"]:
                answer = await self.ask(prompt, tokens, logprobs=2)
                for step in answer.logprobs:
                    best = sorted((one.logprob for one in step.values()), reverse=True)
                    lead = best[0] - best[1]
                    narrowest[query_id] = min(narrowest.get(query_id, lead), lead)
        return {"leads": narrowest}

    async def calibration(self, order: dict[str, Any]) -> dict[str, Any]:
        """Returns prefill tokens a second, and the length of a decoding step by batch size.

        A prompt that was just read is in the prefix cache, so that asking for it again costs
        little but decoding.
        """
        found = finished_prompts(Path(order["lists"]), Path(order["run"]), self.prompter)
        # Windows of different queries, which share no passage.
        prompts = [prompt for (_, number), prompt in found.items() if not number]
        tokens = self.prompter.output_budget(WINDOW)
        cache, scheduler = self.llm.vllm_config.cache_config, self.llm.vllm_config.scheduler_config
        rates, steps = list[float](), dict[int, float]()
        for batch in (size for size in BATCHES if size <= len(prompts)):
            some, found_steps = prompts[:batch], list[float]()
            for _ in range(REPEATS):
                await self.llm.reset_prefix_cache()
                reading = await self.all(some, 1)
                if batch >= 4:
                    rates.append(sum(map(len, some)) / reading)
                again = await self.all(some, 1)
                found_steps.append((await self.all(some, tokens) - again) / (tokens - 1))
            steps[batch] = statistics.median(found_steps)
        rate, length = statistics.median(rates), statistics.mean(map(len, prompts))
        batch, step = max(steps.items())
        reading, writing = length / rate, (tokens - 1) * step / batch
        return {
            "prefill_tokens_per_second": round(rate, 1),
            "step_seconds": {str(batch): round(step, 6) for batch, step in steps.items()},
            "prompt_tokens": round(length, 1),
            # Of the engine's time with the largest of these batches.
            "decoding_share": round(writing / (reading + writing), 3),
            "kv_tokens": (cache.num_gpu_blocks or 0) * cache.block_size,
            "most_sequences": scheduler.max_num_seqs,
            "step_tokens": scheduler.max_num_batched_tokens,
        }


def main() -> None:
    """Loads, warms up, and does what it is told."""
    model, context_size, dtype = sys.argv[1:]
    with asyncio.Runner() as runner:
        # vLLM ties its engine to the loop that it is made in.
        limit = runner.run(_started(model, int(context_size), dtype))
        runner.run(limit.warm_up())
        serve(lambda order: runner.run(getattr(limit, order["what"])(order)))
        limit.llm.shutdown()


async def _started(model: str, context_size: int, dtype: str) -> Limit:
    return Limit(model, context_size, dtype)


if __name__ == "__main__":
    main()
