"""The cells of the grid: which losses a student learns, from which source, in what order."""

from __future__ import annotations

from typing import Literal, NamedTuple

Source = Literal["labels", "scores", "orders"]
System = Literal["rankgen", "sentence-transformers"]
# The share of the steps that the first of two stages has.
FIRST_SHARE = 1 / 3
SAMPLE_MODES: dict[Source, str] = {"labels": "best", "scores": "spread", "orders": "spread"}


class Stage(NamedTuple):
    """One training on one source."""

    source: Source
    loss: str


class Cell(NamedTuple):
    """One student, but for its seed.

    Attributes:
        family: What the table groups it under.
    """

    family: str
    stages: tuple[Stage, ...]
    system: System = "rankgen"

    @property
    def name(self) -> str:
        """What it learns, for people."""
        return ", then ".join(f"{stage.loss} on {stage.source}" for stage in self.stages)

    @property
    def key(self) -> str:
        """The name of its file, but for the seed."""
        own = "+".join(f"{stage.source}.{stage.loss}" for stage in self.stages)
        return f"{self.system}.{own}".replace(":", "=")

    def steps(self, total: int) -> tuple[int, ...]:
        """Returns the steps of each stage."""
        if len(self.stages) == 1:
            return (total,)
        first = round(total * FIRST_SHARE)
        return (first, total - first)


ALONE = "one source alone"
SCORES, ORDER, BOTH = "labels, then scores", "labels, then order", "labels, then both losses"
LABELS_FIRST = Stage("labels", "lce")
# Softmax targets are sharpened: standardised scores have a deviation of 1, a re-ranker's logits of
# about 4.
SHARP_KL = "kl(temperature=0.25)"
PEER: System = "sentence-transformers"


def _alone(source: Source, loss: str) -> Cell:
    return Cell(ALONE, (Stage(source, loss),))


def _second(family: str, source: Source, loss: str, system: System = "rankgen") -> Cell:
    return Cell(family, (LABELS_FIRST, Stage(source, loss)), system)


# A block is finished with every seed before the next begins, so that an interrupted run leaves
# whole rows.
BLOCKS: tuple[tuple[Cell, ...], ...] = (
    (
        _second(ORDER, "orders", "ranknet"),
        _second(SCORES, "scores", "margin-mse"),
        _second(BOTH, "scores", "ranknet:1,margin-mse:1"),
        _alone("labels", "lce"),
        _second(ORDER, "orders", "ranknet", PEER),
    ),
    (
        _second(ORDER, "orders", "adr-mse"),
        _second(SCORES, "scores", "mse"),
        _second(ORDER, "scores", "ranknet"),
        _second(SCORES, "scores", "margin-mse", PEER),
    ),
    (
        _second(ORDER, "orders", "listnet"),
        _second(SCORES, "scores", SHARP_KL),
        _second(BOTH, "orders", "ranknet:1,lce:1"),
        _alone("orders", "ranknet"),
        _alone("scores", "margin-mse"),
    ),
    (
        _second(ORDER, "orders", "lambda"),
        _second(ORDER, "orders", "adr-mse", PEER),
        _second(BOTH, "scores", f"ranknet:1,{SHARP_KL}:1"),
        _second(SCORES, "scores", "mse", PEER),
    ),
)
