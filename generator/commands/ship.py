"""`rankgen ship`: a student in, a folder that servers load out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say
from rankgen.manifests.counted import counted
from rankgen.students.shipping.settings import ShipSettings

if TYPE_CHECKING:
    from rankgen.students.shipping.shipped import Shipped


def ship(settings: ShipSettings, printing: Printing) -> None:
    """Ships a student and says what it is worth, or what would be done."""
    from rankgen.students.shipping.ship import ship as run

    shipped = run(settings)
    text = _plan(shipped) if settings.dry_run and not shipped.was_finished else _result(shipped)
    text += "".join(f"\nnote: {notice}" for notice in shipped.notices)
    say(text, shipped.model_dump(mode="json"), printing)


def _plan(shipped: Shipped) -> str:
    compared = (
        f"compared on {counted(shipped.queries, 'query')}, {counted(shipped.pairs, 'pair')} each"
    )
    return (
        f"would ship {shipped.parameters:,} weights as {shipped.format} ({shipped.weight_bits} "
        f"bits), {compared if shipped.queries else 'compared on nothing'} -> {shipped.out}"
    )


def _result(shipped: Shipped) -> str:
    bits = (
        f"{shipped.format}, {shipped.weight_bits} bits, {(shipped.graph_bytes or 0) / 1e6:,.1f} MB"
    )
    was = "was shipped before as" if shipped.was_finished else "shipped as"
    said = [f"student of {shipped.student_bytes / 1e6:,.1f} MB {was} {bits}"]
    quality = shipped.quality
    if quality is not None:
        p = "" if quality.p is None else f", p {quality.p:.2g}"
        said.append(
            f"nDCG@10 {quality.shipped:.4f} (student {quality.student:.4f}{p}, "
            f"{counted(quality.queries, 'query')})"
        )
    if shipped.calibration is not None:
        said.append("calibrated")
    return f"{', '.join(said)} -> {shipped.out}"
