"""`rankgen compare`: how far the rankings of runs agree, and what each cost."""

from __future__ import annotations

from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say
from rankgen.students.agreement.settings import CompareSettings


def compare(settings: CompareSettings, printing: Printing) -> None:
    """Compares the runs and prints two tables."""
    from rankgen.students.agreement.compare import compare as run
    from rankgen.students.agreement.table import comparison_text

    comparison = run(settings)
    say(comparison_text(comparison), comparison.as_json(), printing)
