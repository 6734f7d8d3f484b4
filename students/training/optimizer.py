"""Chooses the weights that are trained, and makes their optimizer."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from rankgen.manifests.errors import UsageError
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.training.settings import TrainSettings

LAYER_NUMBER = re.compile(r"\.(?:layer|layers|block|h)\.(\d+)\.")


def make_optimizer(encoder: CrossEncoder, settings: TrainSettings) -> torch.optim.AdamW:
    """Returns AdamW over the weights that are not frozen; the head may have its own rate."""
    body: list[Tensor] = []
    head: list[Tensor] = []
    prefix = f"{encoder.model.base_model_prefix}."
    for name, parameter in encoder.model.named_parameters():
        if parameter.requires_grad:
            (body if name.startswith(prefix) else head).append(parameter)
    rates = (settings.learning_rate, settings.head_learning_rate or settings.learning_rate)
    groups = [
        {"params": parameters, "lr": rate, "initial_lr": rate}
        for parameters, rate in zip((body, head), rates, strict=True)
        if parameters
    ]
    return torch.optim.AdamW(
        groups, betas=(0.9, settings.adam_beta2), weight_decay=settings.weight_decay, fused=True
    )


def freeze_lowest(encoder: CrossEncoder, layers: int) -> None:
    """Freezes the embeddings and the lowest `layers` layers; 0 freezes nothing.

    Raises:
        UsageError: The model has fewer layers, or none that are numbered.
    """
    if layers == 0:
        return
    named = dict(encoder.model.named_parameters())
    layer_of = {name: int(found[1]) for name in named if (found := LAYER_NUMBER.search(name))}
    count = max(layer_of.values(), default=-1) + 1
    if layers > count:
        raise UsageError(
            f"{layers} layers cannot be frozen: the backbone has {count} numbered ones",
            f"freeze fewer: --frozen-layers {count}",
        )
    for name, parameter in named.items():
        if "embeddings" in name or layer_of.get(name, layers) < layers:
            parameter.requires_grad_(False)
    # Those of T5 and of decoders have other names. torch types a module's attributes as tensors.
    body: Any = encoder.model.base_model
    for parameter in body.get_input_embeddings().parameters():
        parameter.requires_grad_(False)
