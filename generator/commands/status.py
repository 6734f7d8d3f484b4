"""`rankgen status`: how far a run is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rankgen.generator.commands.options import AsJson
from rankgen.generator.commands.reporting import reported, say


@reported
def status(
    run: Annotated[Path, typer.Argument(help="The folder of a retrieve or label run.")],
    as_json: AsJson = False,
) -> None:
    """Show how far a run is, from its own commits."""
    from rankgen.manifests.run_directory import RunDirectory
    from rankgen.manifests.status import RunStatus, run_status

    found: RunStatus = run_status(RunDirectory(run))
    state = "finished" if found.finished else "unfinished; repeat its command to resume"
    lines = [
        f"{found.kind} {run}: {state}",
        f"shards   {found.committed:,} of {found.shards:,}",
        f"queries  {found.published:,} of {found.queries:,}, {len(found.quarantined)} quarantined",
    ]
    if found.queries_per_second and not found.finished and found.seconds_left is not None:
        rate, left = found.queries_per_second, found.seconds_left
        lines.append(f"rate     {rate:.2f} queries/s, about {left / 60:.0f} minutes left")
    lines += [f"{name:<32}{value:>14,}" for name, value in found.counts.items()]
    lines += [f"quarantined {query}: {why}" for query, why in sorted(found.quarantined.items())]
    say("\n".join(lines), asdict(found), as_json=as_json)
