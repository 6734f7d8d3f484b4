"""How fast students are trained, for a forecast: as given, as measured here, or as assumed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rankgen.manifests.counted import counted
from rankgen.manifests.recipes.estimates import Rate
from rankgen.students.training.settings import TrainSettings

# A model of 110 M weights at 40 % of an A100's arithmetic; nobody has measured it here.
ASSUMED_TRAINING = Rate(250_000.0, "assumed of a base model on one A100, not measured")


@dataclass
class TrainingRates:
    """The rate of each training.

    Attributes:
        fixed: The rate of all of them, where none is measured.
        measures: Whether to time a few steps of each backbone on this machine.
        backbones: Folder of a student -> the backbone that it began with, which has its shape.
        measured: (backbone, loss) -> the rate that was measured.
    """

    fixed: Rate = ASSUMED_TRAINING
    measures: bool = False
    backbones: dict[str, str] = field(default_factory=dict)
    measured: dict[tuple[str, str], Rate] = field(default_factory=dict)

    def of(self, settings: TrainSettings, passages: int) -> Rate:
        """Returns the rate of a training.

        Args:
            settings: Its settings.
            passages: Passages in one of its lists.

        Raises:
            RankgenError: It is to be measured, and the backbone is not at hand or the training
                would fail before its first step.
        """
        backbone = self.remember(settings.out, settings.backbone)
        if not self.measures:
            return self.fixed
        key = (backbone, settings.loss)
        if key not in self.measured:
            from rankgen.students.training.pace import made_up_pace

            print(f"timing some steps of {backbone}", file=sys.stderr, flush=True)
            pace = made_up_pace(settings.model_copy(update={"backbone": backbone}), passages)
            self.measured[key] = Rate(
                pace.tokens_per_second,
                f"measured on {counted(pace.steps, 'step')} of {backbone} with {settings.loss} on "
                f"{pace.device} of this machine",
            )
        return self.measured[key]

    def remember(self, student: Path, backbone: str) -> str:
        """Notes what a student begins with, and returns the backbone at the beginning of it all."""
        first = self.backbones.get(backbone, backbone)
        self.backbones[str(student)] = first
        return first

    @property
    def scoring(self) -> Rate:
        """The rate that scoring is counted from: the slowest training's."""
        return min(self.used, key=lambda rate: rate.tokens_per_second)

    @property
    def used(self) -> Sequence[Rate]:
        """The rates that trainings are counted with."""
        return tuple(self.measured.values()) or (self.fixed,)
