"""The style sheet of the report: one column, tabular figures, light and dark."""

STYLE = """
:root {
  --ink: #1c2430; --dim: #66707f; --line: #dfe4ea; --paper: #ffffff; --wash: #f5f7f9;
  --first: #94a3b8; --run: #64748b; --teacher: #d08a2e; --student: #1d7f72;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e7ecf2; --dim: #9aa5b3; --line: #303946; --paper: #141a22; --wash: #1b232d;
    --first: #66758b; --run: #8a99ae; --teacher: #d99b4a; --student: #35a897;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
main { max-width: 980px; margin: 0 auto; padding: 48px 28px 72px; }
.eyebrow {
  margin: 0; color: var(--student); font-size: 12px; font-weight: 600;
  letter-spacing: .08em; text-transform: uppercase;
}
h1 { margin: 6px 0 8px; font-size: 28px; line-height: 1.25; font-weight: 650; }
h2 {
  margin: 44px 0 10px; padding-top: 18px; border-top: 1px solid var(--line);
  font-size: 18px; font-weight: 650;
}
.lead { margin: 0; color: var(--dim); font-size: 16px; }
.note { color: var(--dim); font-size: 13px; }
.dim { color: var(--dim); }
.legend span { margin-right: 18px; color: var(--dim); font-size: 13px; }
.legend i {
  display: inline-block; width: 11px; height: 11px; margin-right: 6px; border-radius: 3px;
}
i.first-stage, rect.first-stage { background: var(--first); fill: var(--first); }
i.run, rect.run { background: var(--run); fill: var(--run); }
i.teacher, rect.teacher { background: var(--teacher); fill: var(--teacher); }
i.student, rect.student { background: var(--student); fill: var(--student); }
figure { margin: 8px 0 22px; }
figcaption { margin-bottom: 2px; font-size: 13px; font-weight: 600; }
svg { display: block; width: 100%; height: auto; font-size: 13px; }
svg .name { text-anchor: end; fill: var(--ink); }
svg .value { text-anchor: end; fill: var(--ink); font-weight: 600; }
svg .tick { text-anchor: middle; fill: var(--dim); font-size: 11px; }
svg .grid { stroke: var(--line); stroke-width: 1; fill: none; }
svg .interval { stroke: var(--ink); stroke-width: 1.4; fill: none; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
td:nth-child(2) { white-space: nowrap; }
th {
  padding: 7px 10px; border-bottom: 2px solid var(--line); color: var(--dim);
  font-size: 12px; font-weight: 600; text-align: left; white-space: nowrap;
}
td { padding: 7px 10px; border-bottom: 1px solid var(--line); vertical-align: baseline; }
tbody tr:hover { background: var(--wash); }
.pair { white-space: normal; }
.number { text-align: right; white-space: nowrap; }
small { color: var(--dim); font-size: 12px; }
code { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.settings td:first-child { width: 200px; color: var(--dim); }
.settings code { overflow-wrap: anywhere; }
@media print { main { padding: 0; } h2 { break-after: avoid; } tr { break-inside: avoid; } }
"""
