"""What a user can say of the engines behind an LLM teacher."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue, PositiveFloat, PositiveInt, field_validator

from rankgen.generator.engines.vllm.engine_args import parse_engine_args
from rankgen.manifests.options import Option, Settings

Api = Literal["chat", "completions", "batch"]
CONTEXT_SIZE = 4096


class EndpointSettings(Settings):
    """How a server is asked."""

    panel = "Server"
    base_url: Annotated[
        str | None,
        Option("URL of an OpenAI-compatible server, such as http://host:8000/v1.", metavar="URL"),
    ] = None
    api: Annotated[
        Api | None,
        Option(
            "chat sends messages, completions sends token ids, batch sends messages by the Batch "
            "API: one window of every query in flight at a time, so a list of 9 windows takes 9 "
            "batches.",
            "chat",
        ),
    ] = None
    batch_seconds: Annotated[
        PositiveFloat,
        Option("Send a batch off when no request has come for this many seconds."),
    ] = 5.0
    request_timeout_s: Annotated[
        PositiveFloat,
        Option(
            "Seconds that one call to a server may take.",
            flags=("--request-timeout", "--request-timeout-s"),
        ),
    ] = 600.0


def speaks_chat(api: Api | None) -> bool:
    """Says whether a server gets messages, to which it applies the chat format itself."""
    return api in ("chat", "batch")


def same_answers(api: Api | None) -> Api | None:
    """Returns the way of asking that identifies a run: a batch gets the answers of chat."""
    return "chat" if api == "batch" else api


class EngineSettings(Settings):
    """How vLLM runs."""

    panel = "vLLM and GPUs"
    dtype: Annotated[
        Literal["auto", "bfloat16", "float16", "float32"] | None,
        Option("Number format; auto is the model's own where that is fast.", "auto"),
    ] = None
    gpu_memory_utilization: Annotated[
        float, Field(gt=0, le=1), Option("Share of each GPU's memory for vLLM.")
    ] = 0.9
    tensor_parallel: Annotated[PositiveInt, Option("GPUs of one node that share the model.")] = 1
    engines_per_gpu: Annotated[
        PositiveInt,
        Option(
            "Engines on each GPU, each with its part of --gpu-memory-utilization; for models that "
            "leave most of a GPU idle."
        ),
    ] = 1
    cpu_kv_cache_gib: Annotated[
        PositiveInt, Option("GiB for vLLM's keys and values on a machine without a GPU.")
    ] = 2
    drafts: Annotated[
        Literal["on", "off"] | None,
        Option(
            "Have vLLM check several guessed tokens of an answer in each step: the same answers "
            "in fewer steps.",
            "on without a GPU; on one it has not been measured",
        ),
    ] = None
    lora: Annotated[str | None, Option("LoRA adapter for the model.", metavar="FOLDER")] = None
    engine_args: Annotated[
        dict[str, JsonValue],
        Option(
            "An engine argument of vLLM by its own name, such as quantization=fp8, "
            "kv_cache_dtype=fp8 or max_num_seqs=512; repeatable, and part of the run's recipe.",
            metavar="NAME=VALUE",
            flags=("--engine-arg", "--engine-args"),
        ),
    ] = Field(default_factory=dict)

    @field_validator("engine_args", mode="before")
    @classmethod
    def _read_assignments(cls, given: object) -> object:
        """Reads the command line's list of NAME=VALUE; a recipe has a table."""
        return parse_engine_args(given) if isinstance(given, list | tuple) else given
