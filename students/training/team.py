"""The processes that train one student together: each takes a share of every step's lists.

The gradient of a step is a sum over its lists, so that the sum of the members' gradients is the
gradient a single process would have, and every member takes the same optimizer step.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Team:
    """This process's number, from 0, among those that train together, and how many these are."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process validates and writes for all."""
        return self.rank == 0

    def own(self, lists: int) -> list[int]:
        """Returns the indices of this member's lists among those of a step."""
        return list(range(self.rank, lists, self.size))

    def sum_gradients(self, parameters: list[Tensor]) -> None:
        """Replaces every gradient by the sum over all members; None if no member has one."""
        if self.size == 1 or not parameters:
            return
        device = parameters[0].device
        holders = torch.tensor([float(p.grad is not None) for p in parameters], device=device)
        dist.all_reduce(holders)
        held = [p for p, count in zip(parameters, holders.tolist(), strict=True) if count]
        flat = torch.cat(
            [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in held]
        )
        dist.all_reduce(flat)
        start = 0
        for parameter in held:
            parameter.grad = flat[start : start + parameter.numel()].view_as(parameter).clone()
            start += parameter.numel()

    def sum(self, value: float, device: torch.device) -> float:
        """Returns the sum over all members."""
        if self.size == 1:
            return value
        total = torch.tensor([value], dtype=torch.float64, device=device)
        dist.all_reduce(total)
        return float(total)

    def of_first(self, value: float, device: torch.device) -> float:
        """Returns the first member's value; the values of the others are ignored."""
        if self.size == 1:
            return value
        told = torch.tensor([value], dtype=torch.float64, device=device)
        dist.broadcast(told, src=0)
        return float(told)

    def wait(self) -> None:
        """Waits until every member has called this."""
        if self.size > 1:
            dist.barrier()


def current_team() -> Team:
    """Returns the team of torch.distributed, or a team of one if it is not in use."""
    if not (dist.is_available() and dist.is_initialized()):
        return Team()
    return Team(dist.get_rank(), dist.get_world_size())
