"""`rankgen retrieve`: queries and a collection in, candidates out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankgen.generator.commands.options import Metrics, Printing
from rankgen.generator.commands.reporting import say
from rankgen.generator.jobs.retrieve.settings import RetrieveOptions
from rankgen.manifests.counted import counted

if TYPE_CHECKING:
    from rankgen.generator.jobs.retrieve.job import RetrieveSummary


def retrieve(options: RetrieveOptions, metrics: Metrics, printing: Printing) -> None:
    """Finds candidates and says what was found, and what was not."""
    from rankgen.generator.api.steps import run_retrieve
    from rankgen.manifests.judged_queries import judged_without

    with metrics.published():
        done = run_retrieve(options)
    summary, job = done.summary, done.summary.job
    lines = [
        f"{counted(job.queries, 'query')}, {counted(job.counts['candidates'], 'candidate')} in "
        f"{counted(job.shards, 'shard')} ({job.resumed_shards} from before) -> {done.out}"
    ]
    losses = None if summary.losses is None else summary.losses.model_dump()
    if losses is not None:
        named = ", ".join(f"{key.replace('_', ' ')} {count:,}" for key, count in losses.items())
        lines.append(f"recorded run, in the order of its {options.order} column: {named}")
    judged = summary.judged
    without = None if judged is None else judged_without(judged, summary.answered, str(done.out))
    lines += [without] if without is not None else []
    lines += _own_document_lines(options.own_document, summary)
    result = {
        "out": str(done.out),
        "queries": job.queries,
        "shards": job.shards,
        **job.counts,
        "losses": losses,
        "judged_queries": None if judged is None else len(judged),
        "judged_queries_without_list": sum(q not in summary.answered for q in judged or ()),
    }
    say("\n".join(lines), result, printing)


def describe_retrieve(options: RetrieveOptions) -> None:
    """Prints where the command would search."""
    from rankgen.generator.jobs.retrieve.job import MOST_INDEXES_ON_A_NODE

    if options.retriever == "colbert":
        print(
            "    workers: one for each GPU, but at most "
            f"{MOST_INDEXES_ON_A_NODE} on a node, for each holds the whole index in memory"
        )


def _own_document_lines(rule: str, summary: RetrieveSummary) -> list[str]:
    """Says how many lists leave the query itself out, and where only its id was found."""
    lines = []
    left_out = summary.job.counts.get("own_documents_left_out", 0)
    if left_out:
        same = "same id" if rule == "drop" else "same id and text"
        lines.append(
            f"left out of {left_out:,} of {counted(summary.job.queries, 'list')}: the document "
            f"that is the query itself ({same}); keep it with --own-document keep"
        )
    if summary.same_id:
        lines.append(
            f"of {counted(len(summary.same_id), 'query')} the id is also that of a document of "
            f"another text, which stays (first: {summary.same_id[0]}); leave it out with "
            "--own-document drop"
        )
    return lines
