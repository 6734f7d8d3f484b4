"""`rankgen negatives`: candidates and judgements in, training lists for the LCE loss out."""

from __future__ import annotations

from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say
from rankgen.generator.jobs.negatives.settings import NegativesSettings
from rankgen.manifests.counted import counted

COUNTED = ("copies_of_relevant_left_out", "own_documents_left_out")


def negatives(settings: NegativesSettings, printing: Printing) -> None:
    """Draws negatives and says what was left out."""
    from rankgen.generator.jobs.negatives.job import negatives as run

    summary = run(settings)
    job = summary.job
    left_out = {
        "queries_without_relevant_passage": summary.unjudged,
        "queries_without_its_text": summary.without_text,
        # Runs of before these were counted have none.
        **{name: job.counts.get(name, 0) for name in COUNTED},
    }
    text = (
        f"{counted(job.queries, 'list')}, {counted(job.counts['passages'], 'passage')} in "
        f"{counted(job.shards, 'shard')} "
        f"({job.resumed_shards} from before) -> {settings.out}\nleft out: "
    )
    text += ", ".join(
        f"{key.removesuffix('_left_out').replace('_', ' ')} {count:,}"
        for key, count in left_out.items()
    )
    notices = [] if summary.notice is None else [summary.notice]
    text += "".join(f"\nnote: {notice}" for notice in notices)
    result = {"out": str(settings.out), "queries": job.queries, "shards": job.shards}
    say(text, {**result, **job.counts, **left_out, "notices": notices}, printing)
