"""Which commit of a model id a run means: settled once, by the driver, for all its workers.

Otherwise a node that joins after the model's owner has pushed would label with another model.
"""

from __future__ import annotations

from pathlib import Path

from rankgen.generator.label_settings import LabelSettings
from rankgen.generator.tokenizer import BUNDLED
from rankgen.manifests.model_source import commit_of, pinned_model
from rankgen.manifests.plan import read_plan
from rankgen.manifests.run_directory import RunDirectory


def with_pinned_revision(teacher: LabelSettings, run: RunDirectory) -> LabelSettings:
    """Returns the teacher with the commits of its model and tokenizer: the run's own, else today's.

    Args:
        teacher: Resolved settings. A model has a revision where vLLM loads it here from the Hub; a
            tokenizer of the Hub that is not the model's becomes "ID@COMMIT".
        run: The run that is about to start or to resume.

    Raises:
        UsageError: The Hub has no such model or tokenizer.
        EnvironmentProblem: One of them is neither on this machine nor to be had.
    """
    held = read_plan(run).recipe if run.plan.exists() else {}
    model, tokenizer = teacher.model, teacher.tokenizer
    is_loaded_here = teacher.engine == "vllm"
    changes: dict[str, object] = {}
    if tokenizer not in (None, BUNDLED) and not (is_loaded_here and tokenizer == model):
        changes["tokenizer"] = pinned_model(str(tokenizer), held=held.get("tokenizer"))
    if is_loaded_here and model is not None and not Path(model).is_dir():
        revision = teacher.revision
        if revision is None and held.get("model") == model:
            revision = str(held["revision"])
        changes["revision"] = commit_of(model, revision)
    return teacher.model_copy(update=changes)
