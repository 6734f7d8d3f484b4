"""The evaluation as one self-contained HTML page: no network, no script, prints well."""

from __future__ import annotations

from collections.abc import Iterable
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
    measures = list(evaluation.systems[0].measures)
    charts = "".join(
        f"<figure><figcaption>{escape(measure)}</figcaption>"
        f"{bar_chart(evaluation, measure)}</figure>"
        for measure in measures
    )
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
<header><p class="eyebrow">rankgen evaluate</p><h1>{_headline(evaluation, measures[0])}</h1>
<p class="lead">{_lead(evaluation)}</p></header>
<section><h2>Effectiveness</h2>
<p class="legend">{_legend(evaluation)}</p>
{charts}
{_systems_table(evaluation, measures)}
<p class="note">† differs from {escape(evaluation.systems[0].name)}: paired two-sided t-test,
Holm-corrected p &lt; {SIGNIFICANT}. Whiskers and brackets are 95 % bootstrap intervals over
queries.</p>
{_notices(evaluation)}</section>
{_tests_section(evaluation.tests)}
{_settings_section(evaluation)}
</main>
</body>
</html>
"""


def _headline(evaluation: Evaluation, measure: str) -> str:
    best = max(evaluation.systems, key=lambda system: system.measures[measure])
    if len(evaluation.systems) == 1:
        return f"{escape(best.name)} reaches {best.measures[measure]:.4f} {escape(measure)}"
    return f"{escape(best.name)} is best with {best.measures[measure]:.4f} {escape(measure)}"


def _lead(evaluation: Evaluation) -> str:
    qrels = Path(str(evaluation.settings["qrels"])).name
    plural = "query" if evaluation.queries == 1 else "queries"
    return (
        f"{len(evaluation.systems)} systems on {evaluation.queries:,} judged {plural} "
        f"of <code>{escape(qrels)}</code>, measured as trec_eval does."
    )


def _notices(evaluation: Evaluation) -> str:
    return "".join(f'<p class="note">{escape(notice)}.</p>' for notice in evaluation.notices)


def _legend(evaluation: Evaluation) -> str:
    kinds = dict.fromkeys(system.kind for system in evaluation.systems)
    return "".join(f'<span><i class="{kind}"></i>{KIND_NAMES[kind]}</span>' for kind in kinds)


def _systems_table(evaluation: Evaluation, measures: list[str]) -> str:
    head = "".join(f'<th class="number">{escape(measure)}</th>' for measure in measures)
    best = {m: max(system.measures[m] for system in evaluation.systems) for m in measures}
    columns = shown_columns(evaluation)
    more = "".join(f'<th class="number">{escape(column.head)}</th>' for column in columns)
    rows = "".join(
        _row(
            [
                escape(system.name),
                KIND_NAMES[system.kind],
                *(_measure_cell(evaluation, system, measure, best) for measure in measures),
                _change(evaluation, system, measures[0]),
                *(column.cell(system) for column in columns),
            ],
            numbers_from=2,
        )
        for system in evaluation.systems
    )
    return (
        f"<table><thead><tr><th>system</th><th>kind</th>{head}"
        f'<th class="number">difference</th>{more}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _measure_cell(
    evaluation: Evaluation, system: SystemResult, measure: str, best: dict[str, float]
) -> str:
    value = system.measures[measure]
    text = f"{value:.4f}"
    if value == best[measure]:
        text = f"<strong>{text}</strong>"
    mark = "†" if differs_from_first(evaluation, system.name, measure) else ""
    interval = system.intervals[measure]
    if interval is None:
        return f"{text}{mark}"
    return f"{text}{mark} <small>[{interval[0]:.3f}, {interval[1]:.3f}]</small>"


def _change(evaluation: Evaluation, system: SystemResult, measure: str) -> str:
    test = test_against_first(evaluation, system.name, measure)
    return "" if test is None else f"{test.mean_difference:+.4f}"


def _tests_section(tests: Iterable[PairedTest]) -> str:
    shown = list(tests)
    if not shown:
        return ""
    rows = "".join(
        _row(
            [
                escape(test.measure),
                f"<span class='pair'>{escape(test.b)} <span class='dim'>against</span> "
                f"{escape(test.a)}</span>",
                f"{test.mean_difference:+.4f}",
                "" if test.t is None else f"{test.t:.2f}",
                _p(test.p),
                _p(test.p_bonferroni),
                _p(test.p_holm),
                _p(test.p_randomisation),
            ],
            numbers_from=2,
        )
        for test in shown
    )
    return f"""<section><h2>Paired tests</h2>
<p class="note">Two-sided t-tests over {shown[0].queries:,} queries, corrected for the
m = {shown[0].m} tests of each measure, and the p value of the randomisation test, uncorrected. A
t-test needs two queries and differences that vary.</p>
<table><thead><tr><th>measure</th><th>systems</th><th class="number">difference</th>
<th class="number">t</th><th class="number">p</th><th class="number">Bonferroni</th>
<th class="number">Holm</th><th class="number">randomisation</th></tr></thead>
<tbody>{rows}</tbody></table></section>"""


def _p(value: float | None) -> str:
    if value is None:
        return '<span class="dim">not testable</span>'
    text = "&lt; 0.0001" if value < 1e-4 else f"{value:.4f}"
    return f"<strong>{text}</strong>" if value < SIGNIFICANT else text


def _settings_section(evaluation: Evaluation) -> str:
    facts = {**evaluation.settings, **evaluation.software}
    rows = "".join(
        _row([escape(name), f"<code>{escape(_plain(value))}</code>"], numbers_from=2)
        for name, value in facts.items()
        if value not in (None, [], "")
    )
    return (
        f"<section><h2>Settings</h2><table class='settings'><tbody>{rows}</tbody></table></section>"
    )


def _plain(value: object) -> str:
    return ", ".join(str(part) for part in value) if isinstance(value, list) else str(value)


def _row(cells: list[str], *, numbers_from: int) -> str:
    marked = (
        f'<td class="number">{cell}</td>' if place >= numbers_from else f"<td>{cell}</td>"
        for place, cell in enumerate(cells)
    )
    return f"<tr>{''.join(marked)}</tr>"
