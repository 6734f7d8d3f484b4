"""`rankgen verify`: checks a run against its ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rankgen.generator.commands.options import AsJson, RayAddress, Run
from rankgen.generator.commands.reporting import reported, say

if TYPE_CHECKING:
    from rankgen.manifests.run.ledger import Validate
    from rankgen.manifests.run.plan import Kind


@reported
def verify(
    run: Run,
    full: Annotated[bool, typer.Option("--full", help="Also re-read and check every row.")] = False,
    relabel: Annotated[
        int | None, typer.Option(help="Also have the teacher label so many queries again.", min=1)
    ] = None,
    ray_address: RayAddress = None,
    as_json: AsJson = False,
) -> None:
    """Check that a run holds exactly what was committed; exit code 5 if it does not."""
    from rankgen.manifests.run.plan import read_plan
    from rankgen.manifests.run.run_directory import RunDirectory
    from rankgen.manifests.run.verify import verify_run

    directory = RunDirectory(run)
    validate = row_checks()[read_plan(directory).kind] if full else None
    found = verify_run(directory, validate)
    shards = f"{found.shards} of {found.plan.shards} shards"
    text = "\n".join(
        [
            f"{run}: {shards}, {found.queries:,} of {found.plan.queries:,} queries, "
            f"{len(found.quarantined)} quarantined, {len(found.problems)} problems",
            *found.problems,
            *([] if found.is_finished else ["not finished: repeat the run's command to resume"]),
        ]
    )
    values: dict[str, object] = {
        "shards": found.shards,
        "planned_shards": found.plan.shards,
        "queries": found.queries,
        "planned_queries": found.plan.queries,
        "quarantined": found.quarantined,
        "finished": found.is_finished,
        "problems": list(found.problems),
    }
    if relabel is not None and not found.problems:
        from rankgen.generator.jobs.relabel import relabel as label_again

        agreement = label_again(directory, relabel, ray_address)
        values["relabel"] = agreement.model_dump()
        text += (
            f"\nlabelled {agreement.queries} queries again: {agreement.flip_rate:.1%} changed, "
            f"Kendall tau {agreement.kendall_tau:.4f}, "
            f"top-10 overlap {agreement.top10_overlap:.1%} -> {agreement.kept}"
        )
    say(text, values, as_json=as_json)
    if found.problems:
        raise typer.Exit(5)
    if not found.is_finished:
        raise typer.Exit(4)


def row_checks() -> dict[Kind, Validate]:
    """Returns what checks the rows of each kind of run."""
    from rankgen.generator.jobs.label_rows import validate_rankings
    from rankgen.generator.jobs.negatives_work import validate_lists
    from rankgen.generator.jobs.rerank_work import validate_reranked
    from rankgen.generator.jobs.retrieve_work import validate_candidates

    return {
        "retrieve": validate_candidates,
        "label": validate_rankings,
        "rerank": validate_reranked,
        "negatives": validate_lists,
    }
