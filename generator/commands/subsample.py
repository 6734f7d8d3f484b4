"""`rankgen subsample`: a labelled set in, a part of it out."""

from __future__ import annotations

from typing import Annotated

from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say
from rankgen.generator.jobs.subsample.settings import SubsampleSettings
from rankgen.manifests.counted import counted
from rankgen.manifests.options import Option, Settings


class Counting(Settings):
    """Whether the command only counts."""

    dry_run: Annotated[bool, Option("Print what would be kept, and write nothing.")] = False


def subsample(settings: SubsampleSettings, counting: Counting, printing: Printing) -> None:
    """Cuts a part out of a labelled set, or says how much it would be."""
    from rankgen.generator.jobs.subsample.job import plan_subsample
    from rankgen.generator.jobs.subsample.job import subsample as run

    if counting.dry_run:
        size = plan_subsample(settings).size
        say(
            f"would keep {size.text()}, in {counted(size.shards, 'shard')}",
            size.model_dump(),
            printing,
        )
        return
    job, size = run(settings)
    text = (
        f"{size.text()}, in {counted(job.shards, 'shard')} ({job.resumed_shards} from before) -> "
        f"{settings.out}"
    )
    say(text, {"out": str(settings.out), **size.model_dump(), **job.counts}, printing)
