"""The settings of teachers that score or compare pairs, completed and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankgen.generator.engines.vllm.engine_args import refuse_taken_arguments
from rankgen.generator.teachers.setting_checks import check_model, refuse_listwise_settings
from rankgen.manifests.errors import UsageError

if TYPE_CHECKING:
    from rankgen.generator.teachers.settings import LabelSettings

# Each query in flight asks about all of its passages at once.
_QUERIES_IN_FLIGHT = 16


def pointwise_defaults(asked: LabelSettings) -> dict[str, object]:
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
