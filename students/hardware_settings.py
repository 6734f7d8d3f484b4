"""Where a student runs and how fast, whatever it does; nothing that it learns or scores."""

from __future__ import annotations

from typing import Annotated

from pydantic import PositiveInt

from rankgen.manifests.options import Option, Settings
from rankgen.students.choices import Precision


class HardwareSettings(Settings):
    """The device, and what of it is used."""

    panel = "Hardware"
    device: Annotated[str, Option("auto, cpu, cuda or cuda:N.")] = "auto"
    precision: Annotated[Precision, Option("Number format; auto is whichever is fast here.")] = (
        "auto"
    )
    chunk_tokens: Annotated[
        PositiveInt | None, Option("Tokens of one forward pass, padding included.", "by device")
    ] = None
    threads: Annotated[PositiveInt | None, Option("CPU threads.", "all")] = None
