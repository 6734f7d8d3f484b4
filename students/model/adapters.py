"""Low-rank adapters (LoRA, arXiv 2106.09685) on a student: put in, saved and merged by peft.

They are put into the model's own layers, so that packed and padded pairs, training and scoring are
computed by the same code. A head, and a pooler that feeds it, are trained whole beside them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from rankgen.manifests.errors import UsageError
from rankgen.students.model.adapter_folder import HEAD_FILE, WEIGHTS_FILE
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.student_model import HeadedModel, StudentModel

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

# The numbered layers of a Transformer, as transformers names them.
_IN_LAYERS = r"(?:.*\.)?(?:layer|layers|block|blocks|h)\.\d+\.(?:.+\.)?"


@dataclass(frozen=True)
class Lora:
    """The shape of the adapters.

    Attributes:
        rank: Width between the two matrices of an adapter.
        alpha: An adapter's product is scaled by alpha / rank.
        dropout: Rate of the dropout before an adapter.
        targets: Last parts of the names of the linear layers that get one; none for all of them.
    """

    rank: int
    alpha: float
    dropout: float
    targets: tuple[str, ...] = ()


def with_adapters(encoder: CrossEncoder, lora: Lora, seed: int) -> CrossEncoder:
    """Puts adapters into a student, and freezes all of its weights but theirs and the head's.

    Args:
        encoder: A student on the CPU; its model is changed.
        lora: The shape of the adapters.
        seed: Random seed for their first matrices; the second ones are 0, so that no score changes.

    Raises:
        UsageError: A target is unknown.
    """
    from peft import LoraConfig, get_peft_model

    part = adapted_part(encoder)
    torch.manual_seed(seed)
    # A language model answers with the head that it has; others are beside the body.
    has_none = isinstance(encoder.model, HeadedModel)
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # peft scales by any number.
        lora_dropout=lora.dropout,
        target_modules=_IN_LAYERS + f"(?:{'|'.join(_targets(part, lora.targets))})",
        modules_to_save=None if has_none else _heads(part),
        task_type=_task_of(encoder.model),
    )
    return replace(encoder, adapted=cast("PeftModel", get_peft_model(part, config)))


def adapted_part(encoder: CrossEncoder) -> PreTrainedModel:
    """Returns the model of transformers that adapters are put into."""
    model = encoder.model
    return model.body if isinstance(model, HeadedModel) else model


def own_head(model: StudentModel) -> dict[str, Tensor]:
    """Returns the weights of a head that stands outside of transformers' model, by name.

    peft, which sees that model alone, can neither save nor load them.
    """
    if not isinstance(model, HeadedModel) or model.body_has_head:
        return {}
    weights = torch.nn.Module.state_dict(model)
    body = f"{model.base_model_prefix}."
    return {name: weight for name, weight in weights.items() if not name.startswith(body)}


def linear_names(part: PreTrainedModel) -> list[str]:
    """Returns the last parts of the names of the linear layers that adapters can be put into."""
    found = {
        name.rpartition(".")[2]
        for name, module in part.named_modules()
        if isinstance(module, torch.nn.Linear) and re.fullmatch(_IN_LAYERS + r"[^.]+", name)
    }
    return sorted(found)


def share_trained(model: StudentModel) -> tuple[int, int]:
    """Returns how many weights are trained, and how many there are."""
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(size for size, is_trained in sizes if is_trained), sum(size for size, _ in sizes)


def merged(encoder: CrossEncoder) -> CrossEncoder:
    """Adds adapters to the weights that they adapt; the model is then one of transformers again."""
    if encoder.adapted is None:
        return encoder
    encoder.adapted.merge_and_unload()
    return replace(encoder, adapted=None)


def write_adapter(encoder: CrossEncoder, folder: Path, base: str, revision: str | None) -> None:
    """Writes the adapters, and the head that was trained with them, as peft loads them.

    Args:
        encoder: A student with adapters.
        folder: An existing folder.
        base: The model without adapters, a folder or a model id.
        revision: The commit of a model id.
    """
    from peft import LoraConfig, get_peft_model_state_dict
    from safetensors.torch import save_file

    assert encoder.adapted is not None
    trained = encoder.adapted.peft_config["default"]
    assert isinstance(trained, LoraConfig)
    config = replace(
        trained,
        base_model_name_or_path=base,
        revision=revision,
        inference_mode=True,
    )
    names = config.modules_to_save
    config.modules_to_save = sorted(set(names)) if names else None
    config.save_pretrained(str(folder))
    weights = get_peft_model_state_dict(encoder.adapted, save_embedding_layers=False)
    files = {WEIGHTS_FILE: weights, HEAD_FILE: own_head(encoder.model)}
    for name, tensors in files.items():
        if tensors:
            held = {n: tensor.detach().cpu().contiguous() for n, tensor in tensors.items()}
            save_file(held, folder / name, metadata={"format": "pt"})


def _targets(part: PreTrainedModel, wanted: Sequence[str]) -> list[str]:
    known = linear_names(part)
    unknown = [name for name in wanted if name not in known]
    if unknown or not known:
        named = f"none named '{unknown[0]}'" if unknown else "none in numbered layers"
        raise UsageError(
            f"adapters are put into the linear layers of a {type(part).__name__}, which has "
            f"{named} ({', '.join(known) or 'it has none'})",
            f"name some of them: --lora-targets {known[0]}" if known else "leave --lora-rank out",
        )
    return list(wanted) or known


def _heads(part: PreTrainedModel) -> list[str]:
    """Returns the names of the modules above the body, and of a pooler that feeds them."""
    heads = [name for name, child in part.named_children() if name != part.base_model_prefix]
    children = dict(part.named_children())
    pooler = getattr(part.base_model, "pooler", None)
    found = [name for name in heads if any(True for _ in children[name].parameters())]
    return found + (["pooler"] if isinstance(pooler, torch.nn.Module) else [])


def _task_of(model: StudentModel) -> str:
    """Returns peft's word for a kind of model."""
    if not isinstance(model, HeadedModel):
        return "SEQ_CLS"
    if not model.body_has_head:
        return "FEATURE_EXTRACTION"
    return "SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM"
