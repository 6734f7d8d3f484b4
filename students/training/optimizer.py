"""Chooses the weights that are trained, and makes their optimizer."""

from __future__ import annotations

import re

import torch
from torch import Tensor

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
    """Freezes the embeddings and the lowest `layers` layers; 0 freezes nothing."""
    if layers == 0:
        return
    for name, parameter in encoder.model.named_parameters():
        layer = LAYER_NUMBER.search(name)
        if "embeddings" in name or (layer is not None and int(layer[1]) < layers):
            parameter.requires_grad_(False)
