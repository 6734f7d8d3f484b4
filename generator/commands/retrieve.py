"""`rankgen retrieve`: queries and a collection in, candidates out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rankgen.generator.commands.metrics_options import MetricsFile, MetricsPort, pop_metrics
from rankgen.generator.commands.options import (
    AsJson,
    MaxFailed,
    Out,
    OwnDocument,
    RayAddress,
    Shards,
)
from rankgen.generator.commands.reporting import reported, say

if TYPE_CHECKING:
    from rankgen.generator.jobs.retrieve import RetrieveSummary


@reported
def retrieve(
    out: Out,
    collection: Annotated[
        str,
        typer.Option(help="A folder (BEIR's layout, or corpus.* and queries.*), or irds:ID."),
    ] = "",
    corpus: Annotated[
        Path | None, typer.Option(help="Documents (JSONL, TSV or Parquet) instead of the folder's.")
    ] = None,
    queries: Annotated[
        Path | None, typer.Option(help="Queries (JSONL, TSV or Parquet) instead of the folder's.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Only the queries that the folder's qrels/SPLIT.tsv judges.")
    ] = None,
    retriever: Annotated[
        str,
        typer.Option(
            help="bm25, colbert, recorded:RUN (a TREC run), or fuse:DIR,DIR (retrieve runs)."
        ),
    ] = "bm25",
    index: Annotated[
        str | None,
        typer.Option(
            help="An existing Lucene index for BM25: a folder, or a prebuilt one's name such as "
            "msmarco-v1-passage. Its texts are taken wherever no --corpus is."
        ),
    ] = None,
    checkpoint: Annotated[
        str, typer.Option(help="ColBERT's checkpoint: a folder, or a name on the Hugging Face Hub.")
    ] = "colbert-ir/colbertv2.0",
    depth: Annotated[int, typer.Option(help="Candidates a query.")] = 100,
    k1: Annotated[float, typer.Option(help="BM25's k1.")] = 0.9,
    b: Annotated[float, typer.Option(help="BM25's b.")] = 0.4,
    rm3: Annotated[bool, typer.Option("--rm3", help="Expand BM25's queries with RM3.")] = False,
    language: Annotated[
        str, typer.Option(help="The texts' language, for BM25: en, de, zh …")
    ] = "en",
    order: Annotated[
        str,
        typer.Option(help="How a recorded run is ordered: score (as trec_eval does), or rank."),
    ] = "score",
    missing: Annotated[
        str, typer.Option(help="Recorded documents that the collection lacks: keep or drop.")
    ] = "keep",
    fusion: Annotated[
        str, typer.Option(help="How runs are fused: rrf (reciprocal ranks), or union (in turns).")
    ] = "rrf",
    sample: Annotated[int | None, typer.Option(help="Take this many queries only.")] = None,
    seed: Annotated[int, typer.Option(help="Chooses the sample.")] = 0,
    own_document: OwnDocument = "auto",
    threads: Annotated[
        int | None, typer.Option(help="Threads for indexing and searching.", show_default="all")
    ] = None,
    stall_seconds: Annotated[
        float, typer.Option(help="Replace a worker that finishes no search for so many seconds.")
    ] = 1800.0,
    shards: Shards = None,
    max_failed: MaxFailed = 0,
    ray_address: RayAddress = None,
    metrics_port: MetricsPort = None,
    metrics_file: MetricsFile = None,
    as_json: AsJson = False,
) -> None:
    """Find candidates for every query of a collection."""
    options = dict(locals())
    as_json = bool(options.pop("as_json"))
    with pop_metrics(options):
        perform_retrieve(options, "retrieve", as_json=as_json)


def describe_retrieve(values: Mapping[str, object], where: str) -> None:
    """Prints where the command would search."""
    from rankgen.generator.commands.retrieve_options import retrieve_settings
    from rankgen.generator.jobs.retrieve import MOST_INDEXES_ON_A_NODE

    if retrieve_settings(values, where).retriever.name == "colbert":
        print(
            "    workers: one for each GPU, but at most "
            f"{MOST_INDEXES_ON_A_NODE} on a node, for each holds the whole index in memory"
        )


def perform_retrieve(values: Mapping[str, object], where: str, *, as_json: bool = False) -> None:
    """Runs the command with its options as values; see `RetrieveOptions`."""
    from rankgen.generator.commands.retrieve_options import retrieve_settings
    from rankgen.generator.doctor.before_work import refuse_idle_gpus
    from rankgen.generator.jobs.retrieve import retrieve as run
    from rankgen.manifests.judged_queries import judged_without

    settings = retrieve_settings(values, where)
    if settings.retriever.name == "colbert":
        # The index is built on this machine, wherever it is searched.
        refuse_idle_gpus("set CUDA_VISIBLE_DEVICES=-1")
    summary = run(settings)
    job = summary.job
    lines = [
        f"{job.queries:,} queries, {job.counts['candidates']:,} candidates in "
        f"{job.shards} shards ({job.resumed_shards} from before) -> {settings.out}"
    ]
    losses = None if summary.losses is None else summary.losses.model_dump()
    if losses is not None:
        counted = ", ".join(f"{key.replace('_', ' ')} {count:,}" for key, count in losses.items())
        lines.append(
            f"recorded run, in the order of its {settings.retriever.order} column: {counted}"
        )
    judged = summary.judged
    without = (
        None if judged is None else judged_without(judged, summary.answered, str(settings.out))
    )
    lines += [without] if without is not None else []
    lines += _own_document_lines(settings.own_document, summary)
    result = {
        "out": str(settings.out),
        "queries": job.queries,
        "shards": job.shards,
        **job.counts,
        "losses": losses,
        "judged_queries": None if judged is None else len(judged),
        "judged_queries_without_list": sum(q not in summary.answered for q in judged or ()),
    }
    say("\n".join(lines), result, as_json=as_json)


def _own_document_lines(rule: str, summary: RetrieveSummary) -> list[str]:
    """Says how many lists leave the query itself out, and where only its id was found."""
    lines = []
    left_out = summary.job.counts.get("own_documents_left_out", 0)
    if left_out:
        same = "same id" if rule == "drop" else "same id and text"
        lines.append(
            f"left out of {left_out:,} of {summary.job.queries:,} lists: the document that is the "
            f"query itself ({same}); keep it with --own-document keep"
        )
    if summary.same_id:
        lines.append(
            f"{len(summary.same_id):,} queries share their id with a document of another text, "
            f"which stays (first: {summary.same_id[0]}); leave it out with --own-document drop"
        )
    return lines
