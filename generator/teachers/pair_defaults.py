"""The settings of teachers that score or compare pairs, completed and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, Protocol

from pydantic import JsonValue

from rankgen.generator.engines.vllm.engine_args import refuse_taken_arguments
from rankgen.generator.teachers.setting_checks import check_model, refuse_listwise_settings
from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.pair_prompts import PAIR_PROMPTS

_LLM_ONLY = ("engine", "base_url", "api", "max_output_tokens", "lora", "engine_args", "tokenizer")
# Each query in flight asks about all of its passages at once.
_QUERIES_IN_FLIGHT = 16


class AskedOfPairs(Protocol):
    """What these checks need of a teacher's settings."""

    @property
    def teacher(self) -> str:
        """The teacher, as the user calls it."""

    @property
    def model(self) -> str | None:
        """Its model."""

    @property
    def engine(self) -> Literal["vllm", "openai"] | None:
        """What asks it."""

    @property
    def engine_args(self) -> Mapping[str, JsonValue]:
        """VLLM's own arguments."""

    @property
    def concurrency(self) -> int | None:
        """Queries in flight."""

    @property
    def dtype(self) -> str | None:
        """The number format."""

    @property
    def pair_prompt(self) -> str | None:
        """How a pair is shown."""

    @property
    def instruction(self) -> str | None:
        """What is asked of the passages."""


def pointwise_defaults(asked: AskedOfPairs) -> dict[str, object]:
    """Returns what a pointwise teacher leaves open, filled in.

    Raises:
        UsageError: There is no model, or the teacher has no use for a setting.
    """
    is_vllm = asked.engine == "vllm"
    refuse_listwise_settings(asked, asked.teacher, but=("engine", "engine_args"))
    if asked.engine == "openai":
        raise UsageError("the teacher 'pointwise' asks no server", "--engine vllm, or leave it out")
    if asked.engine_args and not is_vllm:
        raise UsageError("--engine-arg belongs to vLLM", "--engine vllm")
    refuse_taken_arguments(asked.engine_args)
    if "logprobs_mode" in asked.engine_args:
        raise UsageError("--engine-arg logprobs_mode is set by rankgen", "leave it out")
    check_model(asked.model)
    return {
        "model": asked.model,
        "concurrency": asked.concurrency or (_QUERIES_IN_FLIGHT if is_vllm else 1),
        "dtype": asked.dtype or ("auto" if is_vllm else None),
    }


def pairwise_defaults(asked: AskedOfPairs) -> dict[str, object] | None:
    """Returns what a duoT5 leaves open, filled in; None for a chat model, which asks like others.

    Raises:
        UsageError: The teacher has no use for a setting.
    """
    who = asked.teacher
    if asked.instruction is not None:
        raise UsageError(
            f"the teacher '{who}' has no use for --instruction", "leave --instruction out"
        )
    if asked.model is None or not is_duo(asked.model, asked.pair_prompt):
        if asked.pair_prompt is not None:
            raise UsageError(
                f"the prompt '{asked.pair_prompt}' does not compare passages",
                "--pair-prompt duot5, or leave it out for a chat model",
            )
        refuse_listwise_settings(asked, who, but=(*_LLM_ONLY, "min_named"))
        return None
    refuse_listwise_settings(asked, f"{who}' with the duoT5 '{asked.model}")
    check_model(asked.model)
    return {"model": asked.model, "engine": None, "concurrency": asked.concurrency or 1}


def is_duo(model: str, pair_prompt: str | None) -> bool:
    """Tells whether a model is a duoT5, by the prompt or the name that the user gave."""
    names = PAIR_PROMPTS["duot5"].names or ""
    return pair_prompt == "duot5" or re.search(names, model.lower()) is not None
