"""vLLM inside this process: token ids in, greedy continuation out."""

from __future__ import annotations

import importlib.metadata
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rankgen.generator.engines.base import EnginePrompt, Generation, finish_reason
from rankgen.generator.engines.start_output import StartOutput
from rankgen.generator.engines.start_problem import start_problem
from rankgen.generator.engines.vllm_dtype import dtype_and_warning, own_dtype
from rankgen.generator.engines.vllm_gauges import engine_gauges, with_gauges
from rankgen.generator.outcomes import EngineDead, TeacherFailure, TokenUsage
from rankgen.generator.prompts.profiles import ChatMessage
from rankgen.manifests.errors import EnvironmentProblem
from rankgen.manifests.model_source import split_revision

if TYPE_CHECKING:
    from vllm.engine.arg_utils import AsyncEngineArgs


@dataclass(frozen=True)
class VllmSettings:
    """How vLLM is started.

    Attributes:
        model: Hugging Face id or folder.
        revision: Git revision of the id; None is the newest.
        tokenizer: Another tokenizer than the model's; it only spells the answer out. A folder, an
            id, or "ID@COMMIT".
        context_size: Tokens of prompt and answer together (vLLM's max_model_len).
        dtype: "auto", "bfloat16", "float16" or "float32"; see `vllm_dtype.fast_dtype`.
        seed: vLLM's seed; greedy decoding does not draw.
        force_length: Write exactly `max_tokens` tokens, as rank_llm does for RankZephyr.
        gpu_memory_utilization: Part of each GPU's memory that vLLM takes, 0 to 1.
        tensor_parallel: GPUs that share one copy of the model.
        cpu_kv_cache_gib: Room for keys and values where there is no GPU, in GiB.
    """

    model: str
    revision: str | None = None
    tokenizer: str | None = None
    context_size: int = 4096
    dtype: str = "auto"
    seed: int = 0
    force_length: bool = False
    gpu_memory_utilization: float = 0.9
    tensor_parallel: int = 1
    cpu_kv_cache_gib: int = 2


class VllmEngine:
    """An `AsyncLLM` and its requests; construction loads the model (a minute on a CPU).

    Args:
        settings: How vLLM is started.

    Raises:
        EnvironmentProblem: vLLM is not installed, or it cannot start with this model here.
    """

    # Greedy decoding of the same ids: another try could differ only by batching noise.
    repeatable = True

    def __init__(self, settings: VllmSettings) -> None:
        self._settings = settings
        # vLLM would otherwise report usage over the network.
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", str(settings.cpu_kv_cache_gib))
        # Its start compiles FlashInfer's sampler with nvcc, which few machines have and greedy
        # decoding never runs.
        os.environ.setdefault("VLLM_USE_FLASHINFER_SAMPLER", "0")
        try:
            from vllm.usage.usage_lib import UsageContext
            from vllm.v1.engine.async_llm import AsyncLLM
        except ImportError as error:
            raise EnvironmentProblem(
                f"vLLM cannot be imported: {error}",
                'pip install "rankgen-distill[teacher]", or use --engine openai',
            ) from None
        output = StartOutput.begin()
        try:
            self._llm = AsyncLLM.from_engine_args(
                # vLLM's defaults for servers are smaller batches; a run wants throughput.
                with_gauges(engine_arguments(settings)),
                usage_context=UsageContext.LLM_CLASS,
            )
        except Exception as error:  # vLLM raises anything, from OSError to pydantic's errors.
            raise start_problem(settings.model, error, output) from error
        self._numbers = itertools.count()

    def wants_merged_system(self, messages: Sequence[ChatMessage]) -> bool:
        """Reads token ids, which the tokenizer's chat format has made."""
        return False

    async def generate(self, prompt: EnginePrompt, max_tokens: int) -> Generation:
        """Continues the ids greedily; see `Engine.generate`."""
        from vllm import SamplingParams, TokensPrompt
        from vllm.exceptions import VLLMClientError
        from vllm.sampling_params import RequestOutputKind
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        sampling = SamplingParams(
            temperature=0.0,
            max_tokens=max_tokens,
            min_tokens=max_tokens if self._settings.force_length else 0,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        final = None
        try:
            async for output in self._llm.generate(
                TokensPrompt(prompt_token_ids=list(prompt.token_ids)),
                sampling,
                request_id=f"window-{next(self._numbers)}",
            ):
                final = output
        except EngineDeadError as error:
            raise EngineDead("vLLM's engine process is gone") from error
        except VLLMClientError as error:
            raise TeacherFailure(f"vLLM refused the prompt: {error}") from error
        except EngineGenerateError as error:
            if self._llm.errored:
                raise EngineDead("vLLM's engine process is gone") from error
            raise TeacherFailure(f"vLLM failed on the prompt: {error.__cause__}") from error
        if final is None or not final.outputs or final.outputs[0].finish_reason is None:
            raise TeacherFailure("vLLM ended the request without an answer")
        answer = final.outputs[0]
        if answer.finish_reason not in ("stop", "length"):
            raise TeacherFailure(f"vLLM ended the request with '{answer.finish_reason}'")
        output_ids = tuple(answer.token_ids)
        usage = TokenUsage(len(prompt.token_ids), len(output_ids))
        return Generation(answer.text, output_ids, finish_reason(answer.finish_reason), usage)

    def gauges(self) -> Mapping[str, float]:
        """Returns requests, tokens and the use of the cache; see `rankgen.generator.gauges`."""
        return engine_gauges()

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
            "enforce_eager": str(bool(config.model_config.enforce_eager)).lower(),
        }
        if torch.version.cuda:
            facts["cuda"] = torch.version.cuda
        revision = getattr(config.model_config.hf_config, "_commit_hash", None)
        if revision:
            facts["model_revision"] = str(revision)
        return facts


def engine_arguments(settings: VllmSettings) -> AsyncEngineArgs:
    """Returns what vLLM is started with: everything that the settings say of the model and GPUs."""
    import torch
    from vllm.engine.arg_utils import AsyncEngineArgs

    tokenizer, tokenizer_revision = settings.tokenizer, settings.revision
    if tokenizer is not None:
        tokenizer, tokenizer_revision = split_revision(tokenizer)
    own = own_dtype(settings.model, settings.revision)
    arguments = AsyncEngineArgs(
        model=settings.model,
        revision=settings.revision,
        tokenizer=tokenizer,
        tokenizer_revision=tokenizer_revision,
        max_model_len=settings.context_size,
        dtype=dtype_and_warning(own, settings.dtype)[0],
        seed=settings.seed,
        tensor_parallel_size=settings.tensor_parallel,
        disable_log_stats=True,
        # Compiling costs a CPU more time than a run of ordinary length gains.
        enforce_eager=not torch.cuda.is_available(),
    )
    if torch.cuda.is_available():
        arguments.gpu_memory_utilization = settings.gpu_memory_utilization
    return arguments


def _vllm_version() -> str:
    for distribution in ("vllm", "vllm-cpu"):
        try:
            return f"{distribution} {importlib.metadata.version(distribution)}"
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"
