"""Pins the commit of a Hub model: the driver resolves it once for all workers of a run.

Otherwise a node that joins after the model's owner has pushed would label with another model.
"""

from __future__ import annotations

from pathlib import Path

from rankgen.generator.prompts.tokenizer import BUNDLED
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.generator.teachers.sources import model_source, tokenizer_source
from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.model_source import ModelSource, commit_of, pinned_model
from rankgen.manifests.run.plan import read_plan
from rankgen.manifests.run.run_directory import RunDirectory


def with_pinned_revision(teacher: LabelSettings, run: RunDirectory) -> LabelSettings:
    """Adds the commits of model and tokenizer: those the run began with, else the newest.

    A model gets a revision if a worker loads it from the Hub. A Hub tokenizer that is not the
    model's becomes "ID@COMMIT".

    Args:
        teacher: Resolved settings.
        run: The run that is about to start or resume.

    Raises:
        UsageError: The Hub has no such model or tokenizer, or a folder hides it.
        EnvironmentProblem: One of them is not on this machine and cannot be downloaded.
    """
    held = read_plan(run).recipe if run.plan.exists() else {}
    model, tokenizer = teacher.model, teacher.tokenizer
    changes: dict[str, object] = {}
    by_transformers = teacher.preset.kind in ("pointwise", "pairwise") and teacher.engine is None
    is_loaded_here = teacher.engine == "vllm" or by_transformers
    is_own_tokenizer = is_loaded_here and tokenizer == model
    if tokenizer not in (None, BUNDLED) and not is_own_tokenizer:
        changes["tokenizer"] = pinned_model(str(tokenizer), held=held.get("tokenizer"))
    if is_loaded_here and model is not None:
        revision, begun_with = teacher.revision, held.get("revision")
        is_held = held.get("model") == model and isinstance(begun_with, str)
        if revision is None and is_held:
            # Even if a folder of that name has appeared since.
            revision = str(begun_with)
        elif revision is not None and Path(model).is_dir() and not is_held:
            raise UsageError(
                f"the model {model} is a folder, so --revision {revision} does not apply",
                "leave --revision out",
            )
        if revision is not None or not Path(model).is_dir():
            changes["revision"] = commit_of(model, revision)
    pinned = teacher.model_copy(update=changes)
    for source in (model_source(pinned), tokenizer_source(pinned)):
        _refuse_hidden(source, run)
    return pinned


def _refuse_hidden(source: ModelSource | None, run: RunDirectory) -> None:
    """Refuses a Hub id that is also a folder, which vLLM and transformers would load instead."""
    if source is None or source.kind != "hub":
        return
    name = source.name.partition("@")[0]
    is_out = str(run.root) == name or Path(name).absolute() == Path(str(run.root)).absolute()
    if is_out or Path(name).exists():
        raise UsageError(
            f"the model id {name} is also the name of a folder, which would be loaded instead",
            "choose another --out" if is_out else f"rename the folder, or write ./{name} to use it",
        )
