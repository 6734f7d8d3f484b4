"""`rankgen label`: candidates in, teacher rankings out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rankgen.generator.commands.options import AsJson, MaxFailed, RayAddress, Shards
from rankgen.generator.commands.reporting import reported, say


@reported
def label(
    candidates: Annotated[Path, typer.Option(help="The folder of a retrieve run.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; repeat the command to resume.")],
    teacher: Annotated[
        str, typer.Option(help="rankzephyr, listwise (with --model), minilm or recorded:RUN.")
    ],
    model: Annotated[
        str | None, typer.Option(help="Hugging Face id, folder, or the name a server knows.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Git revision of the model.")] = None,
    engine: Annotated[
        str | None,
        typer.Option(help="vllm (in the workers) or openai (a server).", show_default="vllm"),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="The server of --engine openai, such as http://host:8000/v1.")
    ] = None,
    api: Annotated[
        str | None,
        typer.Option(help="chat (messages) or completions (token ids).", show_default="chat"),
    ] = None,
    prompt_profile: Annotated[
        str | None, typer.Option(help="rank_llm-0.25 or rank_llm-0.12.", show_default="0.25's")
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="Id or folder, or rankzephyr.", show_default="the model's")
    ] = None,
    window: Annotated[
        int | None, typer.Option(help="Passages in one call.", show_default="the teacher's")
    ] = None,
    stride: Annotated[
        int | None, typer.Option(help="Positions a window moves up.", show_default="the teacher's")
    ] = None,
    passes: Annotated[int, typer.Option(help="Times the list is gone over.")] = 1,
    context_size: Annotated[
        int | None, typer.Option(help="Tokens of prompt and answer.", show_default="4096")
    ] = None,
    max_output_tokens: Annotated[
        int | None, typer.Option(help="Longest answer.", show_default="what the ids need")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="The model's number format.", show_default="auto")
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(help="Queries in flight in a worker.", show_default="256, server 32"),
    ] = None,
    on_malformed: Annotated[
        str | None,
        typer.Option(
            help="An unreadable answer: repair, retry or quarantine.", show_default="repair"
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Ray actors.", show_default="one a GPU")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print shards, calls, tokens and GPU-hours only.")
    ] = False,
    tokens_per_second: Annotated[
        float, typer.Option(help="What --dry-run assumes of one GPU, prompt and output together.")
    ] = 30_000.0,
    shards: Shards = None,
    max_failed: MaxFailed = 0,
    ray_address: RayAddress = None,
    as_json: AsJson = False,
) -> None:
    """Have a teacher order every query's candidates."""
    from rankgen.generator.label import LabelRunSettings
    from rankgen.generator.label import label as run
    from rankgen.generator.label_settings import LabelSettings
    from rankgen.manifests.validation import validated

    chosen = {
        "teacher": teacher,
        "model": model,
        "revision": revision,
        "engine": engine,
        "base_url": base_url,
        "api": api,
        "prompt_profile": prompt_profile,
        "tokenizer": tokenizer,
        "window": window,
        "stride": stride,
        "passes": passes,
        "context_size": context_size,
        "max_output_tokens": max_output_tokens,
        "dtype": dtype,
        "concurrency": concurrency,
        "on_malformed": on_malformed,
    }
    settings = validated(
        LabelRunSettings,
        {
            "candidates": candidates,
            "teacher": validated(LabelSettings, chosen, "label"),
            "shards": shards,
            "workers": workers,
            "max_failed": max_failed,
            "ray_address": ray_address,
            "out": out,
        },
        "label",
    )
    if dry_run:
        from rankgen.generator.estimate import estimate

        forecast = estimate(settings, tokens_per_second)
        say(forecast.text(), forecast.model_dump(mode="json"), as_json=as_json)
        return
    summary = run(settings)
    counts = summary.counts
    text = (
        f"{summary.queries:,} queries ranked in {counts['windows']:,} windows "
        f"({counts['queries_degraded']:,} degraded), {len(summary.quarantined)} quarantined, "
        f"{summary.shards} shards ({summary.resumed_shards} from before) -> {out}"
    )
    values = {"out": str(out), "queries": summary.queries, "shards": summary.shards}
    say(text, {**values, **counts, "quarantined": summary.quarantined}, as_json=as_json)
