"""`rankgen evaluate`: first stage, teachers and students in one table."""

from __future__ import annotations

from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say
from rankgen.students.evaluation.settings import EvaluationSettings


def evaluate(settings: EvaluationSettings, printing: Printing) -> None:
    """Evaluates and prints the table."""
    from rankgen.generator.api.steps import run_evaluate
    from rankgen.students.evaluation.table import format_table

    evaluation = run_evaluate(settings).summary
    text = f"{format_table(evaluation)}\nreport: {settings.out / 'report.html'}"
    say(text, evaluation.as_json(), printing)
