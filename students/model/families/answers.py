"""Language models whose next token answers whether a passage is relevant.

Those that are known by name, such as monoT5 and Qwen3-Reranker, have a prompt of rankgen's; others
have sentence-transformers' LogitScore, or a chat template with the roles of a pair.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.families import Family, family_by, prompt_entry
from rankgen.manifests.models.loading_report import load_weights, quiet_transformers
from rankgen.manifests.models.pair_ids import AnswerIds
from rankgen.manifests.models.pair_model import PairTokenizer, answer_score
from rankgen.manifests.models.pair_prompts import AnswerScore
from rankgen.manifests.models.rendered_pairs import refuse_lost_texts
from rankgen.students.model.cuts import CUTS_ENTRY
from rankgen.students.model.families.kept_files import keep_files
from rankgen.students.model.families.layout import Layout
from rankgen.students.model.families.loaded import Loaded
from rankgen.students.model.families.reading import CHAT_ENTRY, pair_reading
from rankgen.students.model.pair_template import Ids
from rankgen.students.model.student_model import HeadedModel, Outputs, StudentModel

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

_HINT = "name a re-ranker whose card says how it is asked about a pair"


class AnswerModel(HeadedModel):
    """A language model whose first answered token is the score, in training as in scoring.

    Losses on differences of scores so compare differences of logits: the score of two answers is
    logit(yes) - logit(no) ("log odds"), or log sigmoid of it ("log probability", monoT5), and that
    of one answer is logit(yes) ("logit", RankT5 and bge-reranker-gemma).

    Args:
        body: A causal or a sequence-to-sequence model with its language-model head.
        answers: The ids of yes and no.
        score: What is made of their logits.
    """

    body_has_head = True

    def __init__(self, body: PreTrainedModel, answers: AnswerIds, score: AnswerScore) -> None:
        super().__init__(body)
        self._answers, self._score = answers, score
        self._is_seq2seq = bool(body.config.is_encoder_decoder)
        self._has_positions = "position_ids" in inspect.signature(body.forward).parameters

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Outputs:
        """Returns scores, shape (pairs, 1), of prompts; those of causal models end together."""
        inputs: dict[str, Any] = {"input_ids": input_ids, "attention_mask": attention_mask}
        # Nothing is generated after the answer.
        inputs["use_cache"] = False
        if self._is_seq2seq:
            start = self.config.decoder_start_token_id
            inputs["decoder_input_ids"] = torch.full_like(input_ids[:, :1], start)
        else:
            inputs["logits_to_keep"] = 1
            if self._has_positions:
                inputs["position_ids"] = (attention_mask.cumsum(dim=1) - 1).clamp(min=0)
        last = self.body(**inputs).logits[:, -1].float()
        yes, no = self._answers
        found = answer_score(self._score, last[:, yes], None if no is None else last[:, no])
        return Outputs(found[:, None])


class PromptedPairs:
    """Renders pairs by one of rankgen's prompts, cut so that the question stays."""

    def __init__(self, pairs: PairTokenizer, *, pads_left: bool) -> None:
        self._pairs, self.pads_left = pairs, pads_left
        self.pair_tokens = pairs.max_length

    def ids(self, queries: Sequence[str], passages: Sequence[str]) -> list[Ids]:
        """Returns the token ids of each pair, at most `pair_tokens`."""
        return [
            np.asarray(self._pairs.ids(query, passage), dtype=np.int32)
            for query, passage in zip(queries, passages, strict=True)
        ]


def asked_by_prompt(layout: Layout) -> Family | None:
    """Returns the kind of a language model that rankgen has a prompt for, else None."""
    if layout.modules or not layout.architecture.endswith(
        ("ForCausalLM", "ForConditionalGeneration")
    ):
        return None
    named = f"{layout.source} {layout.config.get('_name_or_path') or ''}"
    try:
        family = family_by(layout.source, layout.config, named)
    except UsageError:
        return None
    return family if family.prompt is not None else None


def load_prompted(layout: Layout, family: Family, config: PretrainedConfig) -> Loaded:
    """Loads a model that is asked by one of rankgen's prompts.

    Raises:
        UsageError: Its tokenizer lacks an answer, or a text does not reach it.
    """
    assert family.prompt is not None
    is_causal = family.kind == "causal"
    pairs = PairTokenizer(layout.tokenizer_source, family.prompt)
    refuse_lost_texts(f"the student {layout.source}", pairs.ids)
    body, lacking = load_weights(
        "AutoModelForCausalLM" if is_causal else "AutoModelForSeq2SeqLM",
        layout.source,
        config=config,
        dtype=torch.float32,
    )
    return Loaded(
        model=AnswerModel(body, pairs.answers, family.prompt.score),
        tokenizer=pairs.tokenizer,
        kind=f"a language model asked by the prompt '{family.prompt.name}'",
        lacking=frozenset(f"body.{name}" for name in lacking),
        whole=PromptedPairs(pairs, pads_left=is_causal),
        save=_save,
        asked=prompt_entry(family.prompt),
    )


def _save(model: StudentModel, folder: Path) -> None:
    assert isinstance(model, AnswerModel)
    with quiet_transformers():
        model.body.save_pretrained(folder)


def answers_in_chat(layout: Layout) -> bool:
    """Tells whether a checkpoint is a causal model that sentence-transformers would ask."""
    if layout.modules:
        return layout.module_kinds == ("Transformer", "LogitScore")
    return layout.architecture.endswith("ForCausalLM")


def is_trained_in_chat(layout: Layout) -> bool:
    """Tells whether a backbone keeps its answers: others with such a template are chat models."""
    entry = layout.config.get(CUTS_ENTRY)
    is_student = isinstance(entry, dict) and entry.items() >= CHAT_ENTRY.items()
    return answers_in_chat(layout) and (bool(layout.modules) or is_student)


def load_in_chat(layout: Layout, config: PretrainedConfig) -> Loaded:
    """Loads a causal model that is asked by its chat template.

    Raises:
        UsageError: There is no such template, it leaves out a text, or there are no answers.
    """
    reading = pair_reading(layout, config, is_causal=True)
    if reading.whole is None:
        raise UsageError(
            f"{layout.source} is a {layout.architecture} that rankgen has no prompt for, and it "
            "has no chat template for pairs",
            _HINT,
        )
    answers = _answers(layout, reading.tokenizer)
    body, lacking = load_weights(
        "AutoModelForCausalLM", layout.source, config=config, dtype=torch.float32
    )
    return Loaded(
        model=AnswerModel(body, answers, "log odds"),
        tokenizer=reading.tokenizer,
        kind="a causal language model asked by its chat template",
        lacking=frozenset(f"body.{name}" for name in lacking),
        whole=reading.whole,
        save=partial(_save_with_modules, layout) if layout.modules else _save,
        asked=CHAT_ENTRY,
    )


def _save_with_modules(layout: Layout, model: StudentModel, folder: Path) -> None:
    """Writes the model with the files by which sentence-transformers asks it."""
    _save(model, folder)
    keep_files(layout, folder)


def _answers(layout: Layout, tokenizer: PreTrainedTokenizerBase) -> AnswerIds:
    if layout.modules:
        settings = layout.settings_of(layout.modules[-1])
        yes, no = settings.get("true_token_id"), settings.get("false_token_id")
        # A bool is an int too.
        known = range(layout.config.get("vocab_size") or len(tokenizer))
        if type(yes) is int and yes in known and (no is None or (type(no) is int and no in known)):
            return AnswerIds(yes, no)
        raise UsageError(
            f"{layout.modules[-1].path}/config.json of {layout.source} does not say which tokens "
            "are the answers",
            "restore the file from a copy of the model",
        )
    vocabulary = tokenizer.get_vocab()
    lacking = [answer for answer in ("yes", "no") if answer not in vocabulary]
    if lacking:
        raise UsageError(
            f"the tokenizer of {layout.source} has no token '{lacking[0]}', by which a causal "
            "model says whether a passage is relevant",
            _HINT,
        )
    return AnswerIds(vocabulary["yes"], vocabulary["no"])
