"""The rule by which the documents of a label run were shown to its teacher."""

from __future__ import annotations

from collections.abc import Mapping

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.long_documents.rule import ChunkRule, rule_of, told
from rankgen.manifests.run.plan import read_plan
from rankgen.manifests.run.provenance import read_predicate
from rankgen.manifests.run.run_directory import RunDirectory


def recorded_rule(run: RunDirectory) -> ChunkRule | None:
    """Returns the rule in a run's recipe; None without one.

    Raises:
        IntegrityProblem: It is damaged.
    """
    try:
        return rule_of(_recipe(run))
    except ValueError as problem:
        raise IntegrityProblem(
            f"the recipe of {run.root} holds {problem}", f"rankgen verify {run.root}"
        ) from None


def shown_otherwise(run: RunDirectory, rule: ChunkRule | None) -> str | None:
    """Returns a sentence if the teacher of a run was shown documents by another rule.

    None if it was not, and if the run does not say what its teacher read.

    Args:
        run: A run with rankings.
        rule: The rule by which a student is trained; None if it cuts documents.
    """
    # Only teachers that read texts have their digest in the recipe.
    if "documents_sha256" not in _recipe(run):
        return None
    shown = recorded_rule(run)
    if shown == rule:
        return None
    return (
        f"the teacher of {run.root} read of a long document {told(shown)}, and the student "
        f"{told(rule)}; give both the same --long-documents"
    )


def _recipe(run: RunDirectory) -> Mapping[str, object]:
    if run.plan.exists():
        return read_plan(run).recipe
    recipe = (read_predicate(run) or {}).get("recipe")
    return recipe if isinstance(recipe, dict) else {}
