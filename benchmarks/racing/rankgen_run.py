"""One label run of rankgen in a process of its own: Ray, shards, journal and commits, as users run.

    python -m racing.rankgen_run ORDER.json

Two things are added to what users run: the worker ranks some windows before its first shard, as
every system does here before it is measured, and it samples the engine. The clock runs from then
to the last commit.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from racing.lists import WINDOW, read_lists
from racing.measures import Measures
from rankgen.generator.engines.base import EnginePrompt, Generation
from rankgen.generator.jobs.label import job
from rankgen.generator.jobs.label.factory import LabelFactory
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.jobs.label.work import LabelWork
from rankgen.generator.shards import events
from rankgen.generator.shards.events import EventLog
from rankgen.generator.shards.work import FilledShard
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.records import Query
from rankgen.manifests.run.run_directory import RunDirectory


@dataclass(frozen=True)
class MeasuredFactory(LabelFactory):
    """Measures the worker from its first shard on."""

    def __call__(self) -> LabelWork:
        """Loads the model; see `LabelFactory`."""
        work = super().__call__()
        measures = Measures(Path(os.environ["RACING_FILE"]), int(os.environ["RACING_DRIVER"]))
        fill, begun, turn = work.fill, list[bool](), asyncio.Lock()

        async def measured_fill(queries: Sequence[Query], journal: Path) -> FilledShard:
            async with turn:
                if not begun:
                    await warm_up(work)
                    measures.sample()
                    measures.mark("begin")
                    begun.append(True)
            return await fill(queries, journal)

        # Replaced on this one object.
        vars(work)["fill"] = measured_fill
        if os.environ.get("RACING_LOAD_FORMAT") == "dummy":
            answer_in_order(work)
        return work


def answer_in_order(work: LabelWork) -> None:
    """Has the order as it was be read from every answer of a model that cannot write one."""
    engine = vars(work._teacher)["_engine"]
    generate = engine.generate
    text = " > ".join(f"[{number}]" for number in range(1, WINDOW + 1))

    async def in_order(prompt: EnginePrompt, max_tokens: int) -> Generation:
        generation: Generation = await generate(prompt, max_tokens)
        return replace(generation, text=text)

    vars(engine)["generate"] = in_order


async def warm_up(work: LabelWork) -> None:
    """Ranks some windows at once."""
    lists = read_lists(Path(os.environ["RACING_WARM"]))
    calls = [work._teacher.rank_window(query, shown[:WINDOW]) for query, shown in lists]
    await asyncio.gather(*calls, return_exceptions=True)


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Labels the lists and returns what came of it.

    Args:
        order: "lists", "out", "measures" (a new file) and the "teacher"'s settings.
    """
    measures = Measures(Path(order["measures"]), os.getpid())
    os.environ["RACING_FILE"] = order["measures"]
    os.environ["RACING_DRIVER"] = str(os.getpid())
    # Ray's workers look for the classes of this module.
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    )
    write = EventLog.write

    def marked_write(log: EventLog, event: str, **values: str | int | float | None) -> None:
        if event == "commit":
            measures.mark("end")
        write(log, event, **values)

    vars(job)["LabelFactory"] = MeasuredFactory
    # No class of rankgen measures.
    vars(events)["EventLog"].write = marked_write
    teacher = LabelSettings.model_validate(order["teacher"])
    out = RunDirectory(Path(order["out"]))
    began = time.monotonic()
    summary = job.label(
        LabelRunSettings(
            candidates=Path(order["lists"]), teacher=teacher, out=out.root, max_failed=10**6
        )
    )
    return {
        "wall_seconds": round(time.monotonic() - began, 3),
        "failed": len(summary.quarantined),
        "counts": dict(summary.counts),
        "rankings": {row["query_id"]: row["doc_ids"] for row in out.read("rankings").to_pylist()},
    }


if __name__ == "__main__":
    ORDER = json.loads(Path(sys.argv[1]).read_text())
    Path(ORDER["answer"]).write_text(json.dumps(run(ORDER)))
