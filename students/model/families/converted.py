"""Classifiers made of language models that answer yes or no, which are asked as those are.

The weights of both answers become a head of one output, as in the conversions of Qwen3-Reranker;
the words around a pair stay those of the model's own prompt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.families import family_by
from rankgen.manifests.models.loading_report import load_part
from rankgen.manifests.models.pair_prompts import PairPrompt
from rankgen.students.model.cuts import CUTS_ENTRY
from rankgen.students.model.families.chat_pairs import ChatPairs
from rankgen.students.model.families.layout import Layout
from rankgen.students.model.families.processing import Processing
from rankgen.students.model.families.reading import MOST_TOKENS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_CLASSIFIER, _CAUSAL = "ForSequenceClassification", "ForCausalLM"


def prompt_of_converted(layout: Layout) -> PairPrompt | None:
    """Returns the prompt of the language model that a classifier was made of, else None.

    A chat template with the roles of a pair says more than a name, and module files do too.
    """
    if layout.modules or not layout.architecture.endswith(_CLASSIFIER):
        return None
    class_before = layout.architecture.replace(_CLASSIFIER, _CAUSAL)
    named = f"{layout.source} {layout.config.get('_name_or_path') or ''}"
    family = family_by(layout.source, {**layout.config, "architectures": [class_before]}, named)
    entry = layout.config.get(CUTS_ENTRY)
    if family.prompt is None or (entry is not None and "prompt" not in entry):
        return None
    if entry is None and _shows_pairs(load_part("AutoTokenizer", layout.tokenizer_source)):
        return None
    return family.prompt


def _shows_pairs(tokenizer: PreTrainedTokenizerBase) -> bool:
    if tokenizer.chat_template is None:
        return False
    try:
        ChatPairs(tokenizer, MOST_TOKENS, "", Processing(), pads_left=False).check("it")
    except UsageError:
        return False
    return True
