"""`rankgen evaluate`: first stage, teachers and students in one table."""

from __future__ import annotations

from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say
from rankgen.manifests.counted import counted
from rankgen.students.evaluation.settings import EvaluationSettings


def evaluate(settings: EvaluationSettings, printing: Printing) -> None:
    """Evaluates and prints the table."""
    if settings.suite is not None:
        _evaluate_suite(settings, printing)
        return
    from rankgen.generator.api.steps import run_evaluate
    from rankgen.students.evaluation.table import format_table

    evaluation = run_evaluate(settings).summary
    text = f"{format_table(evaluation)}\nreport: {settings.out / 'report.html'}"
    say(text, evaluation.as_json(), printing)


def _evaluate_suite(settings: EvaluationSettings, printing: Printing) -> None:
    from rankgen.generator.api.suite import RESULT, TABLE, run_suite
    from rankgen.manifests.errors import IncompleteRun
    from rankgen.students.suites.table import suite_text

    result = run_suite(settings)
    files = f"table: {settings.out / TABLE}\nfigures: {settings.out / RESULT}"
    files += f"\nreport: {settings.out / 'report.html'}"
    say(f"{suite_text(result)}\n{files}", result.model_dump(mode="json"), printing)
    if result.failed:
        task, reason = next(iter(result.failed.items()))
        raise IncompleteRun(
            f"no figures of {len(result.failed)} of "
            f"{counted(len(result.failed) + len(result.queries), 'task')} (first: {task}: "
            f"{reason})",
            "mend the cause, then repeat the command; the other tasks are kept",
        )
