"""Decides between the versions that a run began with and those installed now."""

from __future__ import annotations

from rankgen.generator.shards.cluster import ray_session
from rankgen.generator.shards.settled import asked_of_a_worker
from rankgen.generator.teachers.versions import version_of
from rankgen.manifests.notices import warn
from rankgen.manifests.run.plan import (
    VERSION_PREFIX,
    Plan,
    describe_difference,
    holds_no_work,
    read_plan,
    without_versions,
)
from rankgen.manifests.run.provenance import read_predicate
from rankgen.manifests.run.run_directory import RunDirectory

VLLM_KEY = f"{VERSION_PREFIX}vllm"


def with_held_versions(run: RunDirectory, plan: Plan, *, allow_others: bool) -> Plan:
    """Returns the plan with the versions that the run began with, if it may go on with them.

    A complete run keeps its versions, whatever is installed now. A run without any work yet takes
    the installed versions.

    Args:
        run: The run that is about to start or resume.
        plan: The plan with the installed versions.
        allow_others: Whether a run may continue with other versions than it began with.
    """
    if not run.plan.exists():
        return plan
    existing = read_plan(run)
    held = {k: v for k, v in existing.recipe.items() if k.startswith(VERSION_PREFIX)}
    recipe = without_versions(plan).recipe | held
    if recipe == plan.recipe:
        return plan
    as_begun = plan.model_copy(update={"recipe": recipe})
    if not _is_whole(run):
        if not allow_others or holds_no_work(run):
            return plan
        difference = describe_difference(as_begun, plan)
        warn(f"{run.root} continues with other versions, which its commits record: {difference}")
    return as_begun


def vllm_version(run: RunDirectory, plan: Plan, ray_address: str | None) -> str | None:
    """Returns the version of vLLM on the driver, else on a worker; None if no worker is needed."""
    known = plan.recipe.get(VLLM_KEY)
    if isinstance(known, str):
        return known
    if _is_whole(run):
        return None
    with ray_session(ray_address):
        version, _ = asked_of_a_worker(_version_there, "vllm", may_use_gpus=True)
        return version or None


def _version_there(name: str) -> tuple[str, None]:
    return version_of(name) or "", None


def _is_whole(run: RunDirectory) -> bool:
    predicate = read_predicate(run)
    return predicate is not None and predicate.get("quarantined") == {}
