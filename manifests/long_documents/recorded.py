"""The rule by which the documents of a label run were shown to its teacher."""

from __future__ import annotations

from collections.abc import Mapping

from rankgen.manifests.long_documents.rule import ChunkRule, rule_of, told
from rankgen.manifests.run.plan import read_plan
from rankgen.manifests.run.provenance import read_predicate
from rankgen.manifests.run.run_directory import RunDirectory


def shown_otherwise(run: RunDirectory, rule: ChunkRule | None) -> str | None:
    """Returns a sentence if the teacher of a run was shown documents by another rule.

    None if it was not, and if the run does not say what its teacher read.

    Args:
        run: A run with rankings.
        rule: The rule by which a student is trained; None if it cuts documents.
    """
    recipe = _recipe(run)
    # Only teachers that read texts have their digest in the recipe.
    if "documents_sha256" not in recipe:
        return None
    try:
        shown = rule_of(recipe)
    except ValueError:
        return None
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
