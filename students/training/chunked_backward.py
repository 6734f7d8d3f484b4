"""Gradients of lists whose activations do not fit into memory, computed chunk by chunk.

The loss needs the scores of a whole list, but a chunk's share of the gradient needs only the
gradients of the chunk's scores. So every chunk is computed twice, and only one chunk's activations
are held at a time. Source: gradient caching, arXiv 2101.06983, section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.hardware import Hardware, moved
from rankgen.students.model.pair_template import Pair
from rankgen.students.model.scoring import chunk_scores, chunks_of


def backward_by_chunks(
    encoder: CrossEncoder,
    pairs: Sequence[Pair],
    loss_of: Callable[[Tensor], Tensor],
    hardware: Hardware,
) -> Tensor:
    """Adds the gradients of `loss_of(scores)` to the weights and returns the loss, on the device.

    Gradients and dropout noise are those of a single graph over the same chunks.

    Args:
        encoder: The model, in training mode.
        pairs: The pairs to score.
        loss_of: Returns the loss from the scores, shape (pairs,), in the order of `pairs`.
        hardware: Where and how to compute.
    """
    device = hardware.device
    chunks = chunks_of(encoder, pairs, hardware)

    def forward(chunk: NDArray[np.int64]) -> Tensor:
        return chunk_scores(encoder, [pairs[index] for index in chunk], hardware)

    noise: list[Tensor] = []
    parts: list[Tensor] = []
    with torch.no_grad():
        for chunk in chunks:
            noise.append(_random_state(device))
            parts.append(forward(chunk))
    places = moved(torch.from_numpy(np.argsort(np.concatenate(chunks))), device)
    scores = torch.cat(parts)[places].requires_grad_()
    loss = loss_of(scores)
    (slopes,) = torch.autograd.grad(loss, scores)
    for chunk, state in zip(chunks, noise, strict=True):
        _set_random_state(device, state)
        own = slopes[moved(torch.from_numpy(chunk), device)]
        forward(chunk).backward(own)  # type: ignore[no-untyped-call]
    return loss.detach()


def _random_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _set_random_state(device: torch.device, state: Tensor) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
