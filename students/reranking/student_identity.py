"""Identifies a student by what its scores depend on, whatever its name and wherever it stands."""

from __future__ import annotations

from pathlib import Path

from rankgen.manifests.models.model_source import model_identity, pinned_model
from rankgen.manifests.storage.digest import sha256_of_value
from rankgen.students.model.adapter_folder import is_adapter, read_adapter
from rankgen.students.model.cuts import cuts_of_config, cuts_of_record
from rankgen.students.model.families.layout import Layout, read_json, read_layout, refusing_damage
from rankgen.students.model.families.processing import LOADING

# Earlier versions cut the texts of other models' pairs apart.
_CUT_AS_ONE = "pairs cut as one"
# Earlier versions made the pairs of some models in another way than their own libraries.
_AS_TOLD = "made as its library makes them"


def student_identity(student: str) -> str:
    """Returns "sha256:..." of a folder's content, or "ID@COMMIT" of a model id or "ID@REVISION".

    Raises:
        UsageError: There is no such model, or its files are damaged.
        EnvironmentProblem: The Hub cannot be reached and the model was never fetched.
    """
    source = pinned_model(student)
    if is_adapter(source):
        return read_adapter(source).identity
    identity = model_identity(source)
    if _says_its_cuts(source):
        return identity
    cuts = cuts_of_record(source)
    if cuts is None:
        with refusing_damage(source):
            more = f", {_AS_TOLD}" if _was_made_otherwise(source) else ""
        return f"{identity} ({_CUT_AS_ONE}{more})"
    # rankgen.json is not in the digest, since it also says when and where the student was made.
    is_folder = Path(source).is_dir()
    return f"sha256:{sha256_of_value([identity, *cuts])}" if is_folder else identity


def _was_made_otherwise(source: str) -> bool:
    # They import torch.
    from rankgen.students.model.families.answers import asked_by_prompt
    from rankgen.students.model.families.converted import prompt_of_converted

    layout = read_layout(source)
    family = asked_by_prompt(layout)
    if family is not None and family.prompt is not None and family.prompt.cuts_pair:
        return True
    settings = layout.transformer_settings()
    calls = settings.get("processing_kwargs") or {}
    told = [settings.get(name) for name in LOADING] + [calls.get("text"), calls.get("common")]
    return any(told) or _leaves_prompt_out(layout) or prompt_of_converted(layout) is not None


def _leaves_prompt_out(layout: Layout) -> bool:
    poolings = [module for module in layout.modules if module.kind == "Pooling"]
    return any(not layout.settings_of(one).get("include_prompt", True) for one in poolings)


def _says_its_cuts(source: str) -> bool:
    config = read_json(source, "config.json")
    return isinstance(config, dict) and cuts_of_config(source, config) is not None
