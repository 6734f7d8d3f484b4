"""One optimizer step: gradients of every list, accumulated exactly, then AdamW."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from rankgen.manifests.errors import IncompleteRun
from rankgen.students.losses import LossPart, Targets
from rankgen.students.losses.terms import reduction_weights
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.document_scores import document_scores
from rankgen.students.model.hardware import Hardware, moved
from rankgen.students.model.scoring import forward_sorted
from rankgen.students.training.batches import TokenList, split_by_tokens
from rankgen.students.training.chunked_backward import backward_by_chunks
from rankgen.students.training.evidence import PairEvidence
from rankgen.students.training.optimizer import freeze_lowest, make_optimizer
from rankgen.students.training.schedule import place_of, rate_factor
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.step_memory import in_smaller_parts, is_out_of_memory
from rankgen.students.training.targets import on_device, targets_at, targets_of
from rankgen.students.training.team import Team

ALONE = Team()


@dataclass(frozen=True)
class StepReport:
    """One step: the reduced loss before it, the pairs scored, and the rate of the model's body."""

    loss: float
    pairs: int
    learning_rate: float


@dataclass
class Trainer:
    """A training from the point of view of its steps; owns the optimizer of the model.

    Attributes:
        encoder: The student, on the hardware's device.
        loss: The loss, as parts that are reduced one by one and added up.
        settings: The recipe.
        hardware: The device and the sizes of parts and chunks, smaller once memory ran out.
        total_steps: Number of steps of the whole training.
        evidence: Weights for the pairs of a list; None gives every pair weight 1.
        team: The processes that train this model.
    """

    encoder: CrossEncoder
    loss: Sequence[LossPart]
    settings: TrainSettings
    hardware: Hardware
    total_steps: int
    evidence: PairEvidence | None = None
    team: Team = ALONE

    def __post_init__(self) -> None:
        freeze_lowest(self.encoder, self.settings.frozen_layers)
        self.optimizer = make_optimizer(self.encoder, self.settings)

    def run(self, step: int, lists: Sequence[TokenList], spent: float = 0.0) -> StepReport:
        """Takes a step on its lists.

        The gradient is that of the reduced loss over all lists, whatever the number of parts and
        team members that compute it; when memory runs out, it is computed again in smaller parts.
        The dropout noise depends on seed, step, parts and the place in the team.

        Args:
            step: The step's number, from 0.
            lists: The step's lists, the same for every team member.
            spent: Share of the training's time limit that is spent, from 0.

        Raises:
            IncompleteRun: The loss is not a finite number; the model is unchanged.
            EnvironmentProblem: Not even one pair fits into memory.
        """
        settings, model, team = self.settings, self.encoder.model, self.team
        rate = self._set_learning_rate(place_of(step, self.total_steps, spent))
        model.train()
        # A member may repeat its share alone: members only wait for each other at the sums.
        own_loss = self._own_gradients(step, lists)
        while own_loss is None:
            self._take_smaller_parts(step, lists)
            own_loss = self._own_gradients(step, lists)
        loss = team.sum(own_loss, self.hardware.device)
        team.sum_gradients([p for p in model.parameters() if p.requires_grad])
        if not math.isfinite(loss):
            names = ", ".join(ranked.query_id for ranked in lists[:8])
            more = f" and {len(lists) - 8} more" if len(lists) > 8 else ""
            raise IncompleteRun(
                f"the loss of step {step + 1} is {loss} (queries {names}{more})",
                "lower --learning-rate; the last checkpoint is kept",
            )
        if settings.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_clip)
        self.optimizer.step()
        return StepReport(loss, sum(len(ranked.pairs) for ranked in lists), rate)

    def _own_gradients(self, step: int, lists: Sequence[TokenList]) -> float | None:
        """Computes the gradients of this member's lists and returns their share of the loss.

        None if memory ran out; the gradients are then useless.
        """
        team = self.team
        torch.manual_seed((self.settings.seed * 1_000_003 + step) * team.size + team.rank)
        self.optimizer.zero_grad(set_to_none=True)
        targets = targets_of(lists, self.evidence)
        weights = self._list_weights(targets)
        own = team.own(len(lists))
        losses: list[Tensor] = []
        loss, start = 0.0, 0
        try:
            for part in split_by_tokens([lists[row] for row in own], self.hardware.step_tokens):
                rows = own[start : start + len(part)]
                losses.append(self._backward(part, targets_at(targets, rows), weights[:, rows]))
                start += len(part)
            # Read only here, so that a GPU does not wait between the parts. sum() would round
            # differently from Python 3.12 on.
            for share in torch.stack(losses).tolist() if losses else []:
                loss += share
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None
        return loss

    def _take_smaller_parts(self, step: int, lists: Sequence[TokenList]) -> None:
        own = [lists[row] for row in self.team.own(len(lists))]
        length = self.encoder.template.length
        longest = max(length(*pair) for ranked in own for pair in ranked.pairs)
        self.optimizer.zero_grad(set_to_none=True)
        held = sum(ranked.tokens for ranked in own)
        self.hardware = hardware = in_smaller_parts(self.hardware, held, longest)
        tokens = max(longest, min(hardware.step_tokens, hardware.chunk_tokens))
        print(
            f"out of memory in step {step + 1}: repeating it in parts of {tokens:,} tokens, also "
            "for later steps",
            file=sys.stderr,
            flush=True,
        )

    def _list_weights(self, targets: Targets) -> Tensor:
        """Returns the weight of every list under every part of the loss, (parts, lists)."""
        nothing = torch.zeros(targets.ranks.shape)
        reduction = self.settings.reduction
        return torch.stack(
            [
                part.weight * reduction_weights(part.loss.terms(nothing, targets).counts, reduction)
                for part in self.loss
            ]
        )

    def _backward(self, part: Sequence[TokenList], targets: Targets, weights: Tensor) -> Tensor:
        """Adds the gradients of some lists and returns their share of the loss, on the device."""
        hardware = self.hardware
        sizes = [ranked.passages for ranked in part]
        rule = self.encoder.long_documents
        chunks = [size for ranked in part for size in ranked.chunks or ()]

        def loss_of(scores: Tensor) -> Tensor:
            scores = document_scores(rule, scores, chunks)
            padded = pad_sequence(list(torch.split(scores, sizes)), batch_first=True)
            there = on_device(targets, scores.device)
            sums = torch.stack([of.loss.terms(padded, there).sums for of in self.loss])
            return (sums * moved(weights.to(sums.dtype), sums.device)).sum()

        pairs = [pair for ranked in part for pair in ranked.pairs]
        # Lists are not split, so a part above the limit is a single list.
        if sum(ranked.tokens for ranked in part) > hardware.step_tokens:
            return backward_by_chunks(self.encoder, pairs, loss_of, hardware)
        loss = loss_of(forward_sorted(self.encoder, pairs, hardware))
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _set_learning_rate(self, place: float) -> float:
        factor = rate_factor(place, self.total_steps, self.settings)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        return float(self.optimizer.param_groups[0]["lr"])
