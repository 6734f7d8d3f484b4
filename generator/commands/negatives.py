"""`rankgen negatives`: candidates and judgements in, training lists for the LCE loss out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from rankgen.generator.commands.options import AsJson, Out, OwnDocument, RayAddress, Shards
from rankgen.generator.commands.reporting import reported, say

COUNTED = ("copies_of_relevant_left_out", "own_documents_left_out")


@reported
def negatives(
    candidates: Annotated[str, typer.Option(help="The folder of a retrieve run.")],
    qrels: Annotated[
        Path, typer.Option(help="Judgements: a file in TREC or BEIR form, or irds:ID.")
    ],
    out: Out,
    collection: Annotated[
        str | None,
        typer.Option(
            help="Where relevant passages are that the first stage did not return: a folder, "
            "irds:ID or hf:NAME."
        ),
    ] = None,
    depth: Annotated[int, typer.Option(help="Negatives are of the best so many.")] = 200,
    count: Annotated[int, typer.Option(help="Negatives of a query, at most.")] = 99,
    grade: Annotated[int, typer.Option(help="The lowest grade of a relevant passage.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    own_document: OwnDocument = "auto",
    shards: Shards = None,
    ray_address: RayAddress = None,
    as_json: AsJson = False,
) -> None:
    """Draw hard negatives for judged queries: lists to train on with --loss lce."""
    options = dict(locals())
    as_json = bool(options.pop("as_json"))
    perform_negatives(options, "negatives", as_json=as_json)


def perform_negatives(values: Mapping[str, object], where: str, *, as_json: bool = False) -> None:
    """Runs the command with its options as values; see `NegativesSettings`."""
    from rankgen.generator.jobs.negatives import NegativesSettings
    from rankgen.generator.jobs.negatives import negatives as run
    from rankgen.manifests.validation import validated

    settings = validated(NegativesSettings, values, where)
    summary = run(settings)
    job = summary.job
    left_out = {
        "queries_without_relevant_passage": summary.unjudged,
        "queries_without_its_text": summary.without_text,
        # Runs of before these were counted have none.
        **{name: job.counts.get(name, 0) for name in COUNTED},
    }
    text = (
        f"{job.queries:,} lists, {job.counts['passages']:,} passages in {job.shards} shards "
        f"({job.resumed_shards} from before) -> {settings.out}\nleft out: "
    )
    text += ", ".join(
        f"{key.removesuffix('_left_out').replace('_', ' ')} {count:,}"
        for key, count in left_out.items()
    )
    notices = [] if summary.notice is None else [summary.notice]
    text += "".join(f"\nnote: {notice}" for notice in notices)
    result = {"out": str(settings.out), "queries": job.queries, "shards": job.shards}
    say(text, {**result, **job.counts, **left_out, "notices": notices}, as_json=as_json)
