"""Puts the adapters of a folder into their base, and leaves no weight to chance."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rankgen.manifests.errors import UsageError, reason_of
from rankgen.manifests.models.loading_report import quiet_transformers
from rankgen.students.model.adapter_folder import (
    CONFIG_FILE,
    HEAD_FILE,
    AdapterFolder,
    merged_hint,
)
from rankgen.students.model.adapters import adapted_part, merged, own_head
from rankgen.students.model.cross_encoder import CrossEncoder

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor

# The last layer of a classification head, as peft names what it trains whole.
_LAST_LAYER = re.compile(r"\.(?:classifier|score)(?:\.out_proj)?\.weight$")


def with_weights(encoder: CrossEncoder, adapter: AdapterFolder, lacking: set[str]) -> CrossEncoder:
    """Merges adapters into their base, and checks that no weight is left to chance.

    Args:
        encoder: The base, with a head; its model is changed.
        adapter: The adapters.
        lacking: Names of the base's weights that its checkpoint lacks.

    Raises:
        UsageError: The adapters have other names or shapes than the base asks for, or neither has
            a head.
    """
    from peft import PeftConfig, get_peft_model, get_peft_model_state_dict
    from peft import set_peft_model_state_dict as put
    from safetensors.torch import load_file

    part, own = adapted_part(encoder), own_head(encoder.model)
    try:
        stored = _stored(adapter)
        head = load_file(adapter.path / HEAD_FILE) if own else {}
        config = PeftConfig.from_pretrained(str(adapter.path))
        config.inference_mode, config.base_model_name_or_path = True, None
        with quiet_transformers():
            adapted: PeftModel = get_peft_model(part, config)
    # Damaged files raise errors from safetensors, JSON and peft.
    except Exception as error:
        raise UsageError(
            f"the adapter {adapter.source} cannot be put into {adapter.base}: {reason_of(error)}",
            merged_hint(adapter.source),
        ) from None
    needed = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    _check_weights(adapter, needed, stored)
    _check_weights(adapter, own, head)
    put(adapted, stored)
    encoder.model.load_state_dict(head, strict=False)
    _check_heads(adapter, {**stored, **head}, lacking)
    return merged(replace(encoder, adapted=adapted))


def head_outputs(adapter: AdapterFolder) -> int | None:
    """Returns the outputs of the classification head that was trained with adapters, if any.

    Raises:
        UsageError: There are more than two, or the weights are damaged.
    """
    try:
        shapes = {name: weight.shape for name, weight in _stored(adapter).items()}
    # Damaged files raise errors from safetensors and pickle.
    except Exception as error:
        raise UsageError(
            f"the adapter {adapter.source} cannot be put into {adapter.base}: {reason_of(error)}",
            merged_hint(adapter.source),
        ) from None
    found = {int(shape[0]) for name, shape in shapes.items() if _LAST_LAYER.search(name)}
    if found and not found <= {1, 2}:
        raise UsageError(
            f"the adapter {adapter.source} is not a cross-encoder's: its head has {max(found)} "
            "outputs",
            "name an adapter whose head has one output, or two",
        )
    return min(found, default=None)


def _stored(adapter: AdapterFolder) -> dict[str, Tensor]:
    import torch
    from safetensors.torch import load_file

    if adapter.weights.suffix == ".safetensors":
        return load_file(adapter.weights)
    found: dict[str, Tensor] = torch.load(adapter.weights, map_location="cpu", weights_only=True)
    return found


def _check_weights(
    adapter: AdapterFolder, needed: Mapping[str, Any], stored: Mapping[str, Any]
) -> None:
    shapes = {name: tuple(weight.shape) for name, weight in needed.items()}
    held = {name: tuple(weight.shape) for name, weight in stored.items()}
    wrong = sorted(n for n in shapes.keys() | held.keys() if shapes.get(n) != held.get(n))
    if wrong:
        name = wrong[0]
        raise UsageError(
            f"the adapter {adapter.source} does not fit {adapter.base}: {len(wrong)} weights "
            f"differ, such as {name}, which is {held.get(name) or 'missing'} in the adapter and "
            f"{shapes.get(name) or 'not there'} in a model of that shape",
            f"name the base that it was trained on in {CONFIG_FILE}; or "
            f"{merged_hint(adapter.source)}",
        )


def _check_heads(adapter: AdapterFolder, stored: Mapping[str, Any], lacking: set[str]) -> None:
    """Refuses a head that is neither in the base nor in the adapter."""
    given = {name.removeprefix("base_model.model.") for name in stored}
    random = sorted(lacking - given)
    if random:
        raise UsageError(
            f"neither the adapter {adapter.source} nor its base {adapter.base} has the weights of "
            f"{random[0]}, which would be drawn at random",
            "train the head too (modules_to_save of peft), as train-student --lora-rank does",
        )
