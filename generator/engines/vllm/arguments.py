"""vLLM's engine arguments, from a teacher's settings of model and GPUs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from pydantic import JsonValue

from rankgen.generator.engines.settings import CONTEXT_SIZE, EngineSettings
from rankgen.generator.engines.vllm.drafts import DRAFT_TOKENS, MOST_REQUESTS, PROPOSER
from rankgen.generator.engines.vllm.dtype import Dtype, dtype_and_warning, own_dtype
from rankgen.generator.engines.vllm.engine_args import check_engine_args
from rankgen.generator.engines.vllm.sampling import MASK
from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.model_source import split_revision

# Named and not imported, as its module imports vLLM.
CPU_EXECUTOR = "rankgen.generator.engines.vllm.cpu_executor.CpuExecutor"
# vLLM's own argument for drafts; whoever gives it wants those.
_OWN_DRAFTS = "speculative_config"

if TYPE_CHECKING:
    from vllm.engine.arg_utils import AsyncEngineArgs


class VllmSettings(EngineSettings):
    """How vLLM is started.

    Attributes:
        model: Hugging Face id or folder.
        revision: Git revision of the id; None for the newest.
        tokenizer: A tokenizer other than the model's own, to decode the answer: a folder, an id,
            or "ID@COMMIT".
        context_size: Tokens of prompt and answer together (vLLM's max_model_len).
        seed: vLLM's seed; greedy decoding does not use it.
        force_length: Generate exactly `max_tokens` tokens, as rank_llm does for RankZephyr.
        constrained: Whether prompts may ask for rankings that the answer is kept to.
    """

    model: str
    revision: str | None = None
    tokenizer: str | None = None
    context_size: int = CONTEXT_SIZE
    seed: int = 0
    force_length: bool = False
    constrained: bool = False


def checked_dtype(
    own: str, engine_args: Mapping[str, JsonValue], asked: str
) -> tuple[Dtype, str | None]:
    """Checks the engine arguments against this machine's vLLM; returns `dtype_and_warning`.

    Raises:
        UsageError: See `check_engine_args`.
        EnvironmentProblem: PyTorch is not installed.
    """
    settled = dtype_and_warning(own, asked)
    check_engine_args(engine_args)
    return settled


def engine_arguments(settings: VllmSettings) -> AsyncEngineArgs:
    """Returns the arguments to start vLLM with.

    Raises:
        UsageError: See `check_engine_args`.
    """
    import torch
    from vllm.engine.arg_utils import AsyncEngineArgs

    check_engine_args(settings.engine_args)
    tokenizer, tokenizer_revision = settings.tokenizer, settings.revision
    if tokenizer is not None:
        tokenizer, tokenizer_revision = split_revision(tokenizer)
    own = own_dtype(settings.model, settings.revision)
    arguments: dict[str, object] = {
        "model": settings.model,
        "revision": settings.revision,
        "tokenizer": tokenizer,
        "tokenizer_revision": tokenizer_revision,
        "max_model_len": settings.context_size,
        "dtype": dtype_and_warning(own, settings.dtype or "auto")[0],
        "seed": settings.seed,
        "tensor_parallel_size": settings.tensor_parallel,
        "distributed_executor_backend": _executor(settings),
        # `vllm_gauges` reads its metrics.
        "disable_log_stats": False,
        # On a CPU, compiling takes longer than it saves in a run of ordinary length.
        "enforce_eager": not torch.cuda.is_available(),
    }
    if torch.cuda.is_available():
        share = settings.gpu_memory_utilization / settings.engines_per_gpu
        arguments["gpu_memory_utilization"] = share
    if settings.lora is not None:
        arguments |= {"enable_lora": True, "max_lora_rank": _lora_rank(settings.lora)}
    if settings.constrained:
        own_masks = settings.engine_args.get("logits_processors")
        arguments["logits_processors"] = [*(own_masks if isinstance(own_masks, list) else []), MASK]
    if drafts(settings):
        arguments["speculative_config"] = {
            "method": "custom_class",
            "model": PROPOSER,
            "num_speculative_tokens": DRAFT_TOKENS,
        }
        if not torch.cuda.is_available():
            arguments["max_num_seqs"] = MOST_REQUESTS
    given = {k: v for k, v in settings.engine_args.items() if k != "logits_processors"}
    # The names are checked; vLLM itself reads the types.
    return AsyncEngineArgs(**{**settings.engine_args, **arguments, **given})  # type: ignore[arg-type]


def drafts(settings: VllmSettings) -> bool:
    """Says whether the engine checks drafts of answers; see `engines.vllm.drafts`.

    vLLM masks no token of a draft, so what is kept to rankings is written without.
    """
    import torch

    if settings.constrained or _OWN_DRAFTS in settings.engine_args:
        return False
    return not torch.cuda.is_available() if settings.drafts is None else settings.drafts == "on"


def _executor(settings: VllmSettings) -> str | None:
    """Returns what starts vLLM's processes; see `cpu_executor` for those on a CPU."""
    import torch

    if not torch.cuda.is_available():
        return CPU_EXECUTOR
    # The worker holds the GPUs, even if its driver runs in a placement group of Ray.
    return "mp" if settings.tensor_parallel > 1 else None


def _lora_rank(adapter: str) -> int:
    from vllm.config.lora import MaxLoRARanks

    path = Path(adapter) / "adapter_config.json"
    try:
        rank = int(json.loads(path.read_text(encoding="utf-8"))["r"])
        supported: tuple[int, ...] = get_args(MaxLoRARanks)
        return min(one for one in supported if one >= rank)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} has no LoRA rank that vLLM supports ({type(error).__name__})",
            "give --lora the folder of a LoRA adapter",
        ) from None
