"""The evaluation as one self-contained HTML page: no network, no script, prints well."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from rankgen.students.evaluation.columns import shown_columns
from rankgen.students.evaluation.report_plot import bar_chart
from rankgen.students.evaluation.report_style import STYLE
from rankgen.students.evaluation.result import Evaluation, Kind, SystemResult
from rankgen.students.evaluation.significance import PairedTest
from rankgen.students.evaluation.table import SIGNIFICANT, differs_from_first, test_against_first

KIND_NAMES: dict[Kind, str] = {
    "first-stage": "first stage",
    "run": "run file",
    "teacher": "teacher",
    "student": "student",
}


def report_html(evaluation: Evaluation) -> str:
    """Returns the page as HTML."""
    charts = "".join(
        f"<figure><figcaption>{escape(measure)}</figcaption>"
        f"{bar_chart(evaluation, measure)}</figure>"
        for measure in evaluation.best
    )
    notices = "".join(f'<p class="note">{escape(notice)}.</p>' for notice in evaluation.notices)
    kinds = dict.fromkeys(system.kind for system in evaluation.systems)
    legend = "".join(f'<span><i class="{kind}"></i>{KIND_NAMES[kind]}</span>' for kind in kinds)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>rankgen evaluation</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{_header(evaluation)}
<section><h2>Effectiveness</h2>
<p class="legend">{legend}</p>
{charts}
{_systems_table(evaluation)}
<p class="note">† differs from {escape(evaluation.systems[0].name)}: paired two-sided t-test,
Holm-corrected p &lt; {SIGNIFICANT}. Whiskers and brackets are 95 % bootstrap intervals over
queries.</p>
{notices}</section>
{_tests_section(evaluation.tests)}
{_settings_section(evaluation)}
</main>
</body>
</html>
"""


def _header(evaluation: Evaluation) -> str:
    measure, best = next(iter(evaluation.best.items()))
    winner = next(s.name for s in evaluation.systems if s.measures[measure] == best)
    verb = "reaches" if len(evaluation.systems) == 1 else "is best with"
    qrels = Path(str(evaluation.settings["qrels"])).name
    plural = "query" if evaluation.queries == 1 else "queries"
    return (
        '<header><p class="eyebrow">rankgen evaluate</p>'
        f"<h1>{escape(winner)} {verb} {best:.4f} {escape(measure)}</h1>\n"
        f'<p class="lead">{len(evaluation.systems)} systems on {evaluation.queries:,} judged '
        f"{plural} of <code>{escape(qrels)}</code>, measured as trec_eval does.</p></header>"
    )


def _systems_table(evaluation: Evaluation) -> str:
    columns = shown_columns(evaluation)
    measures = [escape(measure) for measure in evaluation.best]
    more = [escape(column.head) for column in columns]
    rows = [
        [
            escape(system.name),
            KIND_NAMES[system.kind],
            *(_measure_cell(evaluation, system, measure) for measure in evaluation.best),
            _change(evaluation, system),
            *(column.cell(system) for column in columns),
        ]
        for system in evaluation.systems
    ]
    return _table(["system", "kind", *measures, "difference", *more], rows)


def _measure_cell(evaluation: Evaluation, system: SystemResult, measure: str) -> str:
    value = system.measures[measure]
    text = f"{value:.4f}"
    if value == evaluation.best[measure]:
        text = f"<strong>{text}</strong>"
    mark = "†" if differs_from_first(evaluation, system.name, measure) else ""
    interval = system.intervals[measure]
    if interval is None:
        return f"{text}{mark}"
    return f"{text}{mark} <small>[{interval[0]:.3f}, {interval[1]:.3f}]</small>"


def _change(evaluation: Evaluation, system: SystemResult) -> str:
    test = test_against_first(evaluation, system.name, next(iter(evaluation.best)))
    return "" if test is None else f"{test.mean_difference:+.4f}"


def _tests_section(tests: Sequence[PairedTest]) -> str:
    if not tests:
        return ""
    heads = ["measure", "systems", "difference", "t", "p", "Bonferroni", "Holm", "randomisation"]
    rows = [
        [
            escape(test.measure),
            f"<span class='pair'>{escape(test.b)} <span class='dim'>against</span> "
            f"{escape(test.a)}</span>",
            f"{test.mean_difference:+.4f}",
            "" if test.t is None else f"{test.t:.2f}",
            *map(_p, (test.p, test.p_bonferroni, test.p_holm, test.p_randomisation)),
        ]
        for test in tests
    ]
    return f"""<section><h2>Paired tests</h2>
<p class="note">Two-sided t-tests over {tests[0].queries:,} queries, corrected for the
m = {tests[0].m} tests of each measure, and the p value of the randomisation test, uncorrected. A
t-test needs two queries and differences that vary.</p>
{_table(heads, rows)}</section>"""


def _p(value: float | None) -> str:
    if value is None:
        return '<span class="dim">not testable</span>'
    text = "&lt; 0.0001" if value < 1e-4 else f"{value:.4f}"
    return f"<strong>{text}</strong>" if value < SIGNIFICANT else text


def _settings_section(evaluation: Evaluation) -> str:
    facts = {**evaluation.settings, **evaluation.software}
    rows = "".join(
        _row("td", [escape(name), f"<code>{escape(_plain(value))}</code>"])
        for name, value in facts.items()
        if value not in (None, [], "")
    )
    return (
        f"<section><h2>Settings</h2><table class='settings'><tbody>{rows}</tbody></table></section>"
    )


def _plain(value: object) -> str:
    return ", ".join(str(part) for part in value) if isinstance(value, list) else str(value)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    body = "".join(_row("td", cells) for cells in rows)
    return f"<table><thead>{_row('th', heads)}</thead><tbody>{body}</tbody></table>"


def _row(tag: str, cells: Sequence[str]) -> str:
    """Returns a row of a table; all columns but the first two are numbers."""
    texts = "".join(f"<{tag}>{cell}</{tag}>" for cell in cells[:2])
    numbers = "".join(f'<{tag} class="number">{cell}</{tag}>' for cell in cells[2:])
    return f"<tr>{texts}{numbers}</tr>"
