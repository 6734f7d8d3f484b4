"""Models with a classification head of transformers, of one output or two."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.families import prompt_entry
from rankgen.manifests.models.loading_report import load_weights, quiet_transformers
from rankgen.manifests.models.pair_model import PairTokenizer
from rankgen.manifests.models.pair_prompts import PairPrompt
from rankgen.manifests.models.rendered_pairs import refuse_lost_texts
from rankgen.manifests.models.two_outputs import relevant_output
from rankgen.students.model.families.answers import PromptedPairs
from rankgen.students.model.families.converted import prompt_of_converted
from rankgen.students.model.families.kept_files import IDENTITY, keep_files
from rankgen.students.model.families.layout import Layout
from rankgen.students.model.families.loaded import Loaded
from rankgen.students.model.families.reading import CHAT_ENTRY, pair_reading
from rankgen.students.model.student_model import StudentModel

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

NOT_A_STUDENT = "name a student of `rankgen train-student` or a cross-encoder with one output"


def is_classifier(layout: Layout) -> bool:
    """Tells whether config.json names a class with a classification head."""
    return "SequenceClassification" in layout.architecture


def load_classifier(layout: Layout, config: PretrainedConfig) -> Loaded:
    """Loads a model with its head of one or two outputs.

    Raises:
        UsageError: It has more outputs, or which of two means relevant is unknown.
    """
    if config.num_labels not in (1, 2):
        raise UsageError(
            f"{layout.source} is not a cross-encoder: it has no head that returns one score per "
            f"pair, but one with {config.num_labels} outputs",
            NOT_A_STUDENT,
        )
    relevant = None
    kind = "a classifier with one output"
    if config.num_labels == 2:
        relevant = relevant_output(layout.source, config)
        kind = f"a classifier with two outputs (the score is output {relevant} minus the other)"
    prompt = prompt_of_converted(layout)
    if prompt is not None:
        return _converted(layout, config, prompt, relevant)
    return _loaded(layout, config, kind, relevant)


def load_bare(layout: Layout, config: PretrainedConfig, outputs: int = 1) -> Loaded:
    """Loads an encoder with a head of one output or two, new unless the checkpoint has it.

    Raises:
        UsageError: Which of two outputs means relevant is unknown.
    """
    config.num_labels = outputs
    relevant = relevant_output(layout.source, config) if outputs == 2 else None
    # A head that sentence-transformers trained is given the pairs that its files say.
    is_bare = not layout.has_adapter_modules
    return _loaded(layout, config, "an encoder without a head", relevant, is_bare=is_bare)


def _converted(
    layout: Layout, config: PretrainedConfig, prompt: PairPrompt, relevant: int | None
) -> Loaded:
    pairs = PairTokenizer(layout.tokenizer_source, prompt)
    refuse_lost_texts(f"the student {layout.source}", pairs.ids)
    model, lacking = _weights(layout, config, pairs.tokenizer)
    return Loaded(
        model=model,
        tokenizer=pairs.tokenizer,
        kind=f"a classifier asked by the prompt '{prompt.name}'",
        lacking=lacking,
        relevant=relevant,
        whole=PromptedPairs(pairs, pads_left=False),
        save=_save,
        asked=prompt_entry(prompt),
    )


def _weights(
    layout: Layout, config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase
) -> tuple[PreTrainedModel, frozenset[str]]:
    """Returns the model, and the names of the weights that its checkpoint lacks."""
    if getattr(config, "pad_token_id", None) is None:
        # Heads that read the last token of a pair look for the first padding.
        config.pad_token_id = tokenizer.pad_token_id
    model, lacking = load_weights(
        "AutoModelForSequenceClassification", layout.source, config=config, dtype=torch.float32
    )
    return model, frozenset(lacking)


def _loaded(
    layout: Layout,
    config: PretrainedConfig,
    kind: str,
    relevant: int | None,
    *,
    is_bare: bool = False,
) -> Loaded:
    reading = pair_reading(layout, config, is_bare=is_bare)
    model, lacking = _weights(layout, config, reading.tokenizer)
    return Loaded(
        model=model,
        tokenizer=reading.tokenizer,
        kind=kind,
        lacking=lacking,
        relevant=relevant,
        whole=reading.whole,
        pair_tokens=reading.pair_tokens,
        prompt=reading.prompt,
        save=partial(_save_with_modules, layout) if layout.modules and not is_bare else _save,
        asked=CHAT_ENTRY if reading.whole else {},
    )


def _save(model: StudentModel, folder: Path) -> None:
    """Writes a plain folder of transformers.

    sentence-transformers would apply a sigmoid to a single logit, which ties large scores in 32
    bits; the configuration makes it return the logit itself.
    """
    from transformers import PreTrainedModel

    assert isinstance(model, PreTrainedModel)
    model.config.sentence_transformers = {"activation_fn": IDENTITY}
    with quiet_transformers():
        model.save_pretrained(folder)


def _save_with_modules(layout: Layout, model: StudentModel, folder: Path) -> None:
    """Writes the model with the files by which sentence-transformers makes its input."""
    _save(model, folder)
    keep_files(layout, folder)
