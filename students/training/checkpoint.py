"""Checkpoints of a training: one file, whole or absent, to resume exactly from."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from rankgen.manifests.errors import IntegrityProblem, reason_of
from rankgen.manifests.storage.atomic import write_whole
from rankgen.students.model.student_model import StudentModel
from rankgen.students.training.trained_weights import put_back, trained_weights


@dataclass
class TrainState:
    """The progress of a training; everything else is a function of settings and step.

    Attributes:
        step: Optimizer steps done.
        seconds: Seconds spent, over all sessions.
        best_step: The step with the best validation; the last step without validation.
        validated_step: The step of the last validation.
        best_measure: nDCG@10 at `best_step`; None before the first validation.
        best_weights: The trained weights at `best_step`; None while they are the model's own.
        recent_loss: Moving average of the loss.
    """

    step: int = 0
    pairs: int = 0
    seconds: float = 0.0
    best_step: int = 0
    validated_step: int = 0
    best_measure: float | None = None
    best_weights: dict[str, Tensor] | None = None
    recent_loss: float | None = None


def weights_of(model: StudentModel) -> dict[str, Tensor]:
    """Returns a copy, on the CPU, of the weights that a training can move."""
    trained = trained_weights(model).items()
    return {name: tensor.detach().cpu().clone() for name, tensor in trained}


def save_checkpoint(
    path: Path, state: TrainState, model: StudentModel, optimizer: torch.optim.Optimizer
) -> None:
    """Writes the checkpoint; a kill leaves either the old one or the new one."""
    content = io.BytesIO()
    torch.save(
        {
            "state": vars(state),
            "model": trained_weights(model),
            "optimizer": optimizer.state_dict(),
        },
        content,
    )
    write_whole(path, content.getvalue())


def load_checkpoint(
    path: Path, model: StudentModel, optimizer: torch.optim.Optimizer
) -> TrainState | None:
    """Restores model and optimizer and returns the state, or None without a checkpoint.

    Raises:
        IntegrityProblem: The file cannot be read.
    """
    if not path.exists():
        return None
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    # Damaged files raise errors from pickle, zipfile and PyTorch, some of them without a message.
    except Exception as error:
        raise IntegrityProblem(
            f"the checkpoint {path} cannot be read: {reason_of(error)}",
            f"delete it to restart this training: rm {path}",
        ) from None
    put_back(model, stored["model"])
    optimizer.load_state_dict(stored["optimizer"])
    return TrainState(**stored["state"])
