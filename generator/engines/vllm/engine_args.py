"""Reads and checks `--engine-arg`: vLLM's own arguments, beside those that rankgen sets."""

from __future__ import annotations

import json
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Literal

from pydantic import JsonValue, TypeAdapter, ValidationError

from rankgen.manifests.errors import UsageError, did_you_mean

# Arguments of vLLM that rankgen sets, and what to type instead.
TAKEN = {
    "model": "use --model",
    "model_weights": "use --model",
    "revision": "use --revision",
    "code_revision": "use --revision",
    "tokenizer": "use --tokenizer",
    "tokenizer_revision": "use --tokenizer with ID@COMMIT",
    "max_model_len": "use --context-size",
    "dtype": "use --dtype",
    "tensor_parallel_size": "use --tensor-parallel",
    "gpu_memory_utilization": "use --gpu-memory-utilization",
    "enable_lora": "use --lora with the adapter's folder",
    "seed": "leave it out: decoding is greedy",
    "runner": "leave it out: a teacher generates",
    "convert": "leave it out: a teacher generates",
    "skip_tokenizer_init": "leave it out: answers are read as text",
    "hf_token": "set HF_TOKEN where you type the command: it is never written to a file",
}
# A worker reserves the GPUs of --tensor-parallel on one node, and no others.
_MORE_GPUS = (
    "pipeline_parallel_size",
    "prefill_context_parallel_size",
    "decode_context_parallel_size",
    "nnodes",
    "node_rank",
    "master_addr",
    "master_port",
    "device_ids",
)
TAKEN |= dict.fromkeys(_MORE_GPUS, "use --tensor-parallel and --workers")
_MORE_WORKERS = "data_parallel_"
_PLAIN = (bool, int, float, str, type(None))


def parse_engine_args(given: Iterable[str]) -> dict[str, JsonValue]:
    """Parses the values of `--engine-arg`, each NAME=VALUE.

    A value is read as TOML, then as JSON, and otherwise kept as text. A name may be written with
    dashes, like vLLM's own options.

    Raises:
        UsageError: A value has no "=", or a name is given twice.
    """
    found: dict[str, JsonValue] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip().removeprefix("--").replace("-", "_")
        if not equals or not name:
            raise UsageError(
                f"--engine-arg '{text}' is not NAME=VALUE",
                "for example --engine-arg max_num_seqs=512",
            )
        if name in found:
            raise UsageError(f"--engine-arg {name} is given twice", "leave one of them out")
        found[name] = _literal(value.strip())
    return found


def _literal(text: str) -> JsonValue:
    for read in (_toml, json.loads):
        try:
            value: JsonValue = read(text)
            # A recipe is JSON, which has no dates or infinities.
            json.dumps(value, allow_nan=False)
        except (ValueError, TypeError):
            continue
        return value
    return text


def _toml(text: str) -> JsonValue:
    value: JsonValue = tomllib.loads(f"value = {text}")["value"]
    return value


def refuse_taken_arguments(given: Mapping[str, JsonValue]) -> None:
    """Refuses arguments that rankgen sets itself.

    Raises:
        UsageError: One of them is; the hint names the option to use.
    """
    for name in given:
        hint = TAKEN.get(name)
        if name.startswith(_MORE_WORKERS):
            hint = "use --workers"
        if hint is not None:
            raise UsageError(f"--engine-arg {name} is set by rankgen", hint)


def check_engine_args(given: Mapping[str, JsonValue]) -> None:
    """Checks names and values against this machine's vLLM.

    Raises:
        UsageError: vLLM has no such argument, or does not accept the value.
    """
    refuse_taken_arguments(given)
    if not given:
        return
    from vllm.engine.arg_utils import AsyncEngineArgs

    # vLLM's annotations are objects, except for names that only type checkers know.
    kinds: dict[str, type[object]] = {
        one.name: one.type for one in fields(AsyncEngineArgs) if not isinstance(one.type, str)
    }
    names = {one.name for one in fields(AsyncEngineArgs)}
    for name, value in given.items():
        if name not in names:
            free = [known for known in names if known not in TAKEN]
            raise UsageError(
                f"vLLM has no engine argument '{name}'",
                did_you_mean(name, free) if _is_near(name, free) else "see `vllm serve --help`",
            )
        if name not in kinds or not _is_plain(kinds[name]):
            # One of vLLM's own configuration types, which vLLM reads from a table or a name.
            continue
        try:
            TypeAdapter(kinds[name]).validate_python(value)
        except ValidationError as error:
            raise UsageError(
                f"--engine-arg {name} cannot be {json.dumps(value)}: {error.errors()[0]['msg']}",
                f"change {name}",
            ) from None


def _is_near(name: str, known: list[str]) -> bool:
    return did_you_mean(name, known).startswith("did you mean")


def _is_plain(kind: object) -> bool:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return True
    if origin in (types.UnionType, typing.Union, list, dict):
        return all(_is_plain(part) for part in parts)
    return kind in _PLAIN
