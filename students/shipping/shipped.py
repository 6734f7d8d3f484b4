"""What `rankgen ship` says of what it shipped."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rankgen.students.shipping.calibration import Calibration
from rankgen.students.shipping.quality import Quality
from rankgen.students.shipping.servers import Servers
from rankgen.students.shipping.truncation import Truncation


class Shipped(BaseModel):
    """What was shipped, or would be.

    Attributes:
        weight_bits: 32, or 8 or 7 of quantised weights.
        student_bytes: The student's weights in 32 bits.
        graph_bytes: The graph's files; None before they are written.
        export_difference: Largest difference between the scores of the graph in 32 bits and the
            student's, on made-up pairs; None before it is written.
        pairs: Pairs to compare on.
        notices: What must be known of the comparison, one sentence each.
        was_finished: Whether it was shipped before, so that nothing was done.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: Path
    format: str
    weight_bits: int
    parameters: int
    student_bytes: int
    queries: int
    pairs: int
    graph_bytes: int | None = None
    export_difference: float | None = None
    quality: Quality | None = None
    calibration: Calibration | None = None
    truncation: Truncation | None = None
    servers: Servers | None = None
    notices: tuple[str, ...] = ()
    was_finished: bool = False
