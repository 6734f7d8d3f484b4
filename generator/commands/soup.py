"""`rankgen soup`: several students in, the mean of their weights out."""

from __future__ import annotations

from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say
from rankgen.manifests.counted import counted
from rankgen.students.soup.settings import SoupSettings


def soup(settings: SoupSettings, printing: Printing) -> None:
    """Averages students and says what the mean reaches beside each of them."""
    from rankgen.students.soup.soup import make_soup

    summary = make_soup(settings)
    lines = [
        f"{one.name}: {_reached(one.validation)}{'in the mean' if one.is_kept else 'left out'}"
        for one in summary.ingredients
    ]
    kept = sum(one.is_kept for one in summary.ingredients)
    was = "was made before" if summary.was_finished else f"of {counted(kept, 'student')}"
    stage = "" if summary.first_stage is None else f", its first stage {summary.first_stage:.4f}"
    reached = "" if summary.validation is None else f", nDCG@10 {summary.validation:.4f}{stage}"
    lines.append(f"{summary.method} soup {was}{reached} -> {summary.out}")
    if summary.validation is not None:
        lines.append("note: measured on validation, which may have chosen it; test it on others")
    say("\n".join(lines), summary.model_dump(mode="json"), printing)


def _reached(value: float | None) -> str:
    return "" if value is None else f"nDCG@10 {value:.4f}, "
