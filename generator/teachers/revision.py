"""Which commit of a model id a run means: settled once, by the driver, for all its workers.

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
    """Returns the teacher with the commits of its model and tokenizer: the run's own, else today's.

    Args:
        teacher: Resolved settings. A model has a revision where vLLM loads it here from the Hub; a
            tokenizer of the Hub that is not the model's becomes "ID@COMMIT".
        run: The run that is about to start or to resume.

    Raises:
        UsageError: The Hub has no such model or tokenizer, or a folder hides it.
        EnvironmentProblem: One of them is neither on this machine nor to be had.
    """
    held = read_plan(run).recipe if run.plan.exists() else {}
    model, tokenizer = teacher.model, teacher.tokenizer
    changes: dict[str, object] = {}
    is_loaded_here = teacher.engine == "vllm"
    is_own_tokenizer = is_loaded_here and tokenizer == model
    if tokenizer not in (None, BUNDLED) and not is_own_tokenizer:
        changes["tokenizer"] = pinned_model(str(tokenizer), held=held.get("tokenizer"))
    if is_loaded_here and model is not None:
        revision, begun_with = teacher.revision, held.get("revision")
        is_held = held.get("model") == model and isinstance(begun_with, str)
        if revision is None and is_held:
            # Also where a folder of that name has appeared since.
            revision = str(begun_with)
        elif revision is not None and Path(model).is_dir() and not is_held:
            raise UsageError(
                f"the model {model} is a folder, which has no revision {revision}",
                "leave --revision out",
            )
        if revision is not None or not Path(model).is_dir():
            changes["revision"] = commit_of(model, revision)
    pinned = teacher.model_copy(update=changes)
    for source in (model_source(pinned), tokenizer_source(pinned)):
        _refuse_hidden(source, run)
    return pinned


def _refuse_hidden(source: ModelSource | None, run: RunDirectory) -> None:
    """Refuses a Hub id that vLLM and transformers would take for a folder of that name."""
    if source is None or source.kind != "hub":
        return
    name = source.name.partition("@")[0]
    is_out = str(run.root) == name or Path(name).absolute() == Path(str(run.root)).absolute()
    if is_out or Path(name).exists():
        raise UsageError(
            f"the model id {name} is also the name of a folder, which would be loaded instead",
            "choose another --out" if is_out else "rename the folder, or name it as ./" + name,
        )
