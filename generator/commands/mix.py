"""`rankgen mix`: several teachers' rankings in, one labelled set out."""

from __future__ import annotations

from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say
from rankgen.generator.jobs.mix.settings import MixSettings
from rankgen.manifests.counted import counted


def mix(settings: MixSettings, printing: Printing) -> None:
    """Mixes the runs and prints what came out."""
    from rankgen.generator.jobs.mix.job import mix as run

    job, left_out = run(settings)
    text = (
        f"{counted(job.queries, 'list')} of {counted(job.counts['passages'], 'passage')} out of "
        f"{counted(len(settings.rankings), 'run')}, in {counted(job.shards, 'shard')} "
        f"({job.resumed_shards} from before) -> {settings.out}"
    )
    if told := left_out.text():
        text += f"\nnote: left out: {told}"
    values = {"out": str(settings.out), "queries": job.queries, "shards": job.shards}
    say(text, {**values, **job.counts, **left_out._asdict()}, printing)
