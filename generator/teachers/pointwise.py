"""A cross-encoder as the teacher: it scores each passage alone, and its scores are kept.

sentence-transformers loads the model, and so knows its head and its template: classifiers of one or
two logits, modular re-rankers, and causal models that answer yes or no.

A list is cut into batches of its own passages, so that scores do not depend on other lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rankgen.generator.teachers.places import places_of
from rankgen.generator.teachers.scoring import BATCH, ScoringTeacher
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.counted import counted
from rankgen.manifests.errors import EnvironmentProblem, UsageError, reason_of
from rankgen.manifests.models.families import STUDENT_ENTRY
from rankgen.manifests.models.loading_report import lacking_weights, refuse_other_code
from rankgen.manifests.models.model_source import ModelSource
from rankgen.manifests.models.rendered_pairs import refuse_lost_texts
from rankgen.manifests.models.two_outputs import relevant_output

if TYPE_CHECKING:
    import torch
    from sentence_transformers import CrossEncoder

_INSTALL = 'pip install "rankgen-distill[pointwise]"'


class PointwiseTeacher(ScoringTeacher):
    """Orders passages by their logits.

    Args:
        settings: Resolved settings of a pointwise teacher.
        source: Its model.

    Raises:
        EnvironmentProblem: A package is missing.
        UsageError: There is no such model, it lacks weights, has more than two logits, two of which
            nobody knows what they mean, or fewer places than the context, or its template leaves
            out a text.
    """

    def __init__(self, settings: LabelSettings, source: ModelSource) -> None:
        super().__init__(settings.teacher, _INSTALL)
        self._model_name, self._source = settings.model, source
        self._dtype = settings.dtype or "float32"
        self._cut = settings.context_size
        self._model = _load(settings, self._dtype, "cuda" if self.is_on_gpu else "cpu")
        self._relevant = _relevant_of(self._model, settings.model or "")
        self._prompt = _prompt_of(self._model)
        _fit_places(self._model, settings)
        refuse_lost_texts(f"the teacher {settings.model}", self._token_ids)

    def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        """Returns each passage's logit; of two, the one that means relevant less the other."""
        return self.in_batches(
            [len(passage) for passage in passages],
            lambda places: self._features([(query, passages[i]) for i in places]),
            self._logits,
            BATCH,
        )

    def _features(self, pairs: Sequence[tuple[str, str]]) -> dict[str, torch.Tensor]:
        features: dict[str, torch.Tensor] = self._model.preprocess(
            [list(pair) for pair in pairs], prompt=self._prompt
        )
        return features

    def _token_ids(self, query: str, passage: str) -> list[int]:
        try:
            ids: list[int] = self._features([(query, passage)])["input_ids"].flatten().tolist()
        except (ValueError, TypeError, KeyError) as error:
            raise UsageError(
                f"{self._model_name} cannot be shown a query and a passage: {reason_of(error)}",
                "choose a re-ranker whose template has both",
            ) from None
        return ids

    def _logits(self, features: dict[str, torch.Tensor]) -> list[float]:
        import torch
        from sentence_transformers.util import batch_to_device

        with torch.inference_mode():
            logits = self._model(batch_to_device(features, self._model.device))["scores"].float()
        if logits.ndim == 2:
            one = self._relevant
            logits = logits[:, 0] if one is None else logits[:, one] - logits[:, 1 - one]
        found: list[float] = logits.tolist()
        return found

    def identity(self) -> Mapping[str, object]:
        """Returns the weights' identity and the method of scoring."""
        return {
            "teacher": "pointwise",
            "model": self._source.identity(),
            "dtype": self._dtype,
            "max_length": self._cut,
            "batch": BATCH,
            # Absent if unused, so that older journals keep their keys.
            **({"relevant_output": 0} if self._relevant == 0 else {}),
            **({"prompt": self._prompt} if self._prompt else {}),
        }

    def facts(self) -> Mapping[str, str]:
        """Returns the device and the number format."""
        return {"device": str(self._model.device), "dtype": self._dtype}


def _load(settings: LabelSettings, dtype: str, device: str) -> CrossEncoder:
    name = settings.model or ""
    try:
        from sentence_transformers import CrossEncoder
        from torch.nn import Identity
    except ImportError as error:
        raise EnvironmentProblem(f"the package {error.name} is not installed", _INSTALL) from None
    try:
        with lacking_weights() as lacking:
            model = CrossEncoder(
                name,
                revision=settings.revision,
                device=device,
                max_length=settings.context_size,
                activation_fn=Identity(),
                model_kwargs={"dtype": dtype},
            )
    # Damaged files raise errors from safetensors, zipfile, tokenizers, PyTorch and the Hub.
    except Exception as error:
        raise UsageError(
            f"the model {name} cannot be loaded: {reason_of(error)}",
            "name the folder or id of a cross-encoder by --model",
        ) from None
    # A model of modules alone has no such configuration.
    named = getattr(model.config, "architectures", None) or [""]
    refuse_other_code(name, str(named[0]))
    _refuse_prompted(name, getattr(model.config, STUDENT_ENTRY, None))
    if lacking:
        raise UsageError(
            f"{name} lacks {len(lacking)} weights, such as {min(lacking)}",
            "name a checkpoint with its head; missing weights would be drawn at random",
        )
    if model.num_labels > 2:
        raise UsageError(
            f"{name} has {model.num_labels} outputs for a pair, and a teacher needs one score",
            "name a re-ranker: one logit, or two for no and yes",
        )
    model.eval()
    loaded: CrossEncoder = model
    return loaded


def _refuse_prompted(name: str, entry: object) -> None:
    """Refuses a student that was trained with a prompt, which its library would not show."""
    if isinstance(entry, dict) and "prompt" in entry:
        raise UsageError(
            f"{name} is asked by the prompt '{entry['prompt']}', which this teacher does not show",
            f"score by `rankgen rerank --student {name}`, then use --teacher recorded:RUN",
        )


def _relevant_of(model: CrossEncoder, name: str) -> int | None:
    """Returns which of two logits means relevant; None for a model with one.

    Raises:
        UsageError: The names of its outputs do not say it.
    """
    if model.num_labels != 2:
        return None
    config = model.config
    # Only a model without any transformer has none, and so no names.
    return 1 if config is None else relevant_output(name, config)


def _prompt_of(model: CrossEncoder) -> str | None:
    """Returns what the model's own `predict` puts before every query, or shows as its system's."""
    name = model.default_prompt_name
    return model.prompts.get(name) or None if name else None


def _fit_places(model: CrossEncoder, settings: LabelSettings) -> None:
    """Cuts pairs to the places that the model has, or refuses a longer cut of the user's."""
    places = places_of(model)
    if places is None or (model.max_seq_length or 0) <= places:
        return
    if settings.context_size is not None:
        raise UsageError(
            f"{settings.model} has places for {counted(places, 'token')}, not for the "
            f"{settings.context_size} of --context-size",
            f"--context-size {places}, or leave it out",
        )
    model.max_seq_length = places
