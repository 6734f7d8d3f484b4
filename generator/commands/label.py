"""`rankgen label`: candidates in, teacher rankings out."""

from __future__ import annotations

from collections.abc import Mapping

from rankgen.generator.answers.outcomes import TokenUsage
from rankgen.generator.commands.options import Forecast, Metrics, Printing
from rankgen.generator.commands.reporting import say
from rankgen.generator.engines.cost.prices import prices_of, usd
from rankgen.generator.jobs.label.settings import LabelOptions
from rankgen.manifests.counted import counted


def label(options: LabelOptions, forecast: Forecast, metrics: Metrics, printing: Printing) -> None:
    """Labels, or says what it would cost."""
    if forecast.dry_run:
        forecast_label(options, forecast, printing)
        return
    with metrics.published():
        _label(options, printing)


def forecast_label(options: LabelOptions, forecast: Forecast, printing: Printing) -> None:
    """Prints what labelling would cost."""
    from rankgen.generator.jobs.label.estimate import estimate

    cost = estimate(options.settings(), forecast.tokens_per_second)
    say(cost.text(), cost.model_dump(mode="json"), printing)


def _label(options: LabelOptions, printing: Printing) -> None:
    from rankgen.generator.api.steps import run_label
    from rankgen.manifests.run.plan import read_plan
    from rankgen.manifests.run.run_directory import RunDirectory

    done = run_label(options)
    summary, counts = done.summary, done.summary.counts
    # Shards of earlier versions do not count them.
    failed_calls = counts.get("failed_calls", 0)
    failed = f", {counted(failed_calls, 'failed call')}" if failed_calls else ""
    text = (
        f"{counted(summary.queries, 'query')} ranked in {counted(counts['windows'], 'window')} "
        f"({counts['queries_degraded']:,} degraded){failed}, {len(summary.quarantined)} "
        f"quarantined, {counted(summary.shards, 'shard')} ({summary.resumed_shards} from "
        f"before){_cost(options, counts)} -> {done.out}"
    )
    losses = read_plan(RunDirectory(done.out)).settings.get("recorded_run")
    if isinstance(losses, dict):
        text += f"\nrecorded run, in the order of its {options.order or 'score'} column: "
        shown = {"queries": losses.get("queries"), **losses}
        text += ", ".join(f"{key.replace('_', ' ')} {count:,}" for key, count in shown.items())
    result = {"out": str(done.out), "queries": summary.queries, "shards": summary.shards}
    result |= {"losses": losses} if losses is not None else {}
    say(text, {**result, **counts, "quarantined": summary.quarantined}, printing)


def _cost(options: LabelOptions, counts: Mapping[str, int]) -> str:
    prices = prices_of(options)
    if prices is None:
        return ""
    tokens = TokenUsage(counts["prompt_tokens"], counts["output_tokens"])
    return f", {usd(prices.of(tokens))}"
