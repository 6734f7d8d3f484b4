"""`rankgen label`: candidates in, teacher rankings out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from rankgen.generator.commands.metrics_options import MetricsFile, MetricsPort, pop_metrics
from rankgen.generator.commands.options import (
    RUN_METAVAR,
    AsJson,
    MaxFailed,
    Out,
    RayAddress,
    Shards,
)
from rankgen.generator.commands.reporting import reported, say


@reported
def label(
    candidates: Annotated[
        str, typer.Option(help="The folder of a retrieve run.", metavar=RUN_METAVAR)
    ],
    out: Out,
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
        str | None,
        typer.Option(
            help="auto (the model's own where that is fast), bfloat16, float16 or float32.",
            show_default="auto",
        ),
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
    tensor_parallel: Annotated[
        int, typer.Option(help="GPUs of one node that share the model, under vLLM.", min=1)
    ] = 1,
    gpu_memory_utilization: Annotated[
        float, typer.Option(help="Share of each GPU's memory that vLLM takes.", min=0.0, max=1.0)
    ] = 0.9,
    lora: Annotated[
        str | None, typer.Option(help="Folder of a LoRA adapter for the model, under vLLM.")
    ] = None,
    engine_args: Annotated[
        list[str] | None,
        typer.Option(
            "--engine-arg",
            metavar="NAME=VALUE",
            help="An engine argument of vLLM by its own name, such as quantization=fp8, "
            "kv_cache_dtype=fp8 or max_num_seqs=512; repeatable, and part of what the run is.",
        ),
    ] = None,
    request_timeout_s: Annotated[
        float,
        typer.Option("--request-timeout", help="Seconds that one call to a server may take."),
    ] = 600.0,
    stall_seconds: Annotated[
        float, typer.Option(help="Replace a worker that finishes no window for so many seconds.")
    ] = 1800.0,
    order: Annotated[
        str | None,
        typer.Option(
            help="How recorded:RUN is ordered: score (as trec_eval does) or rank.",
            show_default="score",
        ),
    ] = None,
    min_named: Annotated[
        float | None,
        typer.Option(
            help="Least share of the passages that an answer must name.", show_default="0.5"
        ),
    ] = None,
    allow_other_versions: Annotated[
        bool,
        typer.Option(
            "--allow-other-versions",
            help="Resume although rankgen, ftfy, transformers, torch or vLLM is not the version "
            "that the run was begun with; every commit names its own.",
        ),
    ] = False,
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
    metrics_port: MetricsPort = None,
    metrics_file: MetricsFile = None,
    as_json: AsJson = False,
) -> None:
    """Have a teacher order every query's candidates."""
    options = dict(locals())
    as_json = bool(options.pop("as_json"))
    is_dry = bool(options.pop("dry_run"))
    rate = float(options.pop("tokens_per_second"))
    metrics = pop_metrics(options)
    if is_dry:
        forecast_label(options, "label", rate, as_json=as_json)
    else:
        with metrics:
            perform_label(options, "label", as_json=as_json)


def forecast_label(
    values: Mapping[str, object], where: str, tokens_per_second: float, *, as_json: bool = False
) -> None:
    """Prints what the command would cost."""
    from rankgen.generator.commands.label_options import label_settings
    from rankgen.generator.jobs.estimate import estimate

    forecast = estimate(label_settings(values, where), tokens_per_second)
    say(forecast.text(), forecast.model_dump(mode="json"), as_json=as_json)


def perform_label(values: Mapping[str, object], where: str, *, as_json: bool = False) -> None:
    """Runs the command with its options as values; see `LabelRunSettings`, `LabelSettings`."""
    from rankgen.generator.commands.label_options import label_settings
    from rankgen.generator.doctor.before_work import refuse_idle_gpus
    from rankgen.generator.jobs.label import label as run
    from rankgen.manifests.run.plan import read_plan
    from rankgen.manifests.run.run_directory import RunDirectory

    settings = label_settings(values, where)
    if settings.ray_address is None and settings.teacher.resolved().engine == "vllm":
        refuse_idle_gpus("set CUDA_VISIBLE_DEVICES=-1")
    summary = run(settings)
    counts = summary.counts
    # Shards of earlier versions do not count them.
    failed_calls = counts.get("failed_calls", 0)
    failed = f", {failed_calls:,} failed calls" if failed_calls else ""
    text = (
        f"{summary.queries:,} queries ranked in {counts['windows']:,} windows "
        f"({counts['queries_degraded']:,} degraded){failed}, "
        f"{len(summary.quarantined)} quarantined, {summary.shards} shards "
        f"({summary.resumed_shards} from before) -> {settings.out}"
    )
    losses = read_plan(RunDirectory(settings.out)).settings.get("recorded_run")
    if isinstance(losses, dict):
        text += f"\nrecorded run, in the order of its {settings.teacher.order or 'score'} column: "
        shown = {"queries": losses.get("queries"), **losses}
        text += ", ".join(f"{key.replace('_', ' ')} {count:,}" for key, count in shown.items())
    result = {"out": str(settings.out), "queries": summary.queries, "shards": summary.shards}
    result |= {"losses": losses} if losses is not None else {}
    say(text, {**result, **counts, "quarantined": summary.quarantined}, as_json=as_json)
