"""Loads models and reports the weights they lack, which transformers would draw at random."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from rankgen.manifests.errors import EnvironmentProblem, RankgenError, UsageError, reason_of
from rankgen.manifests.models.model_source import split_revision
from rankgen.manifests.notices import warn

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

_SHOWN = 3
# The numbered layers of a Transformer, as transformers names them.
_OF_A_LAYER = re.compile(r"\.(?:layer|layers|block|blocks|h)\.\d+\.")


# The classes of transformers that choose another class according to config.json.
AutoClass = Literal[
    "AutoConfig",
    "AutoTokenizer",
    "AutoModel",
    "AutoModelForSequenceClassification",
    "AutoModelForSeq2SeqLM",
    "AutoModelForCausalLM",
]


def load_weights(
    auto_class: AutoClass | type[PreTrainedModel], source: str, **options: object
) -> tuple[PreTrainedModel, set[str]]:
    """Loads a model without the reports that transformers prints.

    Args:
        auto_class: Which kind of model to load, or its class.
        source: A folder, a model id, or "ID@COMMIT".
        options: Further arguments of `from_pretrained`.

    Returns:
        The model, and the names of the weights that its checkpoint lacks or has in another shape,
        without tied weights and buffers that are not stored.

    Raises:
        UsageError: The files are missing, damaged, or not a model.
        EnvironmentProblem: The model needs a package that is not installed.
    """
    model, info = load_part(
        auto_class, source, output_loading_info=True, ignore_mismatched_sizes=True, **options
    )
    lacking = set(info["missing_keys"]) | {key for key, *_ in info["mismatched_keys"]}
    if not any(map(_OF_A_LAYER.search, lacking)):
        _tell_of_unread(source, info["unexpected_keys"])
    return model, lacking


def _tell_of_unread(source: str, unexpected: Iterable[str]) -> None:
    """Warns of whole layers that a wrong config.json leaves out; unread heads are usual."""
    unread = sorted(name for name in unexpected if _OF_A_LAYER.search(name))
    if unread:
        warn(
            f"{source} holds {len(unread):,} weights of layers that its config.json does not ask "
            f"for, such as {unread[0]}; they are not read"
        )


# Any, because the type of the result depends on the class.
def load_part(auto_class: AutoClass | type[PreTrainedModel], source: str, **options: object) -> Any:
    """Loads a configuration, a tokenizer or a model; see `load_weights`.

    A checkpoint's own code never runs: left to itself, transformers asks at the terminal.
    """
    name, revision = split_revision(source)
    if revision is not None:
        options["revision"] = revision
    if isinstance(auto_class, str):
        options["trust_remote_code"] = False
    try:
        import transformers

        with quiet_transformers():
            loader: Any = auto_class
            if isinstance(auto_class, str):
                loader = getattr(transformers, auto_class)
            found = loader.from_pretrained(name, **options)
            if auto_class == "AutoTokenizer":
                _refuse_wordless(source, found)
            return found
    except RankgenError:
        raise
    except ImportError as error:
        raise EnvironmentProblem(
            f"the model {source} needs a package that is not installed: {reason_of(error)}",
            'pip install "rankgen-distill[students]"',
        ) from None
    # Damaged files raise errors from safetensors, pickle, zipfile, tokenizers and PyTorch.
    except Exception as error:
        if "trust_remote_code" in str(error):
            raise UsageError(
                f"the model {source} needs its own code (auto_map in its files), which rankgen "
                "does not run",
                "name a model of an architecture that transformers has",
            ) from None
        raise UsageError(
            f"the model {source} cannot be loaded: {reason_of(error)}",
            "name a folder with config.json and complete weights, or a model id",
        ) from None


def refuse_other_code(source: str, architecture: str) -> None:
    """Refuses a class that transformers has not, whose weights may fit one that it has.

    A Llama that attends to both sides, for example, has the weights of one that does not.

    Args:
        source: The model, for the message.
        architecture: The class that its config.json names; empty without one.

    Raises:
        UsageError: There is no such class.
    """
    import transformers

    if architecture and not hasattr(transformers, architecture):
        raise UsageError(
            f"{source} is a {architecture}, a class that transformers does not have: it needs its "
            "own code, which rankgen does not run",
            "name a model of an architecture that transformers has",
        )


def _refuse_wordless(source: str, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuses a tokenizer without files, which transformers makes of its special tokens alone."""
    marks = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}
    if tokenizer.get_vocab().keys() <= marks:
        raise UsageError(
            f"the model {source} has no vocabulary, so that every text would be unknown tokens",
            "add its tokenizer.json, from a copy of the model",
        )


@contextmanager
def lacking_weights() -> Iterator[set[str]]:
    """Collects the names of the weights that models lack which another library loads meanwhile.

    sentence-transformers loads models itself, and keeps no report. Only one thread may do this at a
    time.
    """
    from transformers import PreTrainedModel

    lacking: set[str] = set()
    load = PreTrainedModel.__dict__["from_pretrained"]

    def recorded(cls: type[PreTrainedModel], /, *args: object, **options: object) -> object:
        options |= {"output_loading_info": True, "ignore_mismatched_sizes": True}
        model, info = load.__func__(cls, *args, **options)
        lacking.update(info["missing_keys"], (key for key, *_ in info["mismatched_keys"]))
        return model

    # A class method takes another's place for a while; type checkers refuse that of any class.
    PreTrainedModel.from_pretrained = classmethod(recorded)  # type: ignore[assignment]
    try:
        with quiet_transformers():
            yield lacking
    finally:
        PreTrainedModel.from_pretrained = load  # type: ignore[method-assign]


class _Weights(Protocol):
    """Any module of PyTorch with a configuration of transformers."""

    @property
    def config(self) -> PretrainedConfig: ...

    def state_dict(self) -> Mapping[str, object]: ...


_Model = TypeVar("_Model", bound=_Weights)


def refuse_lacking(
    source: str, model: _Model, lacking: set[str], may_lack: Callable[[_Model, str], bool]
) -> None:
    """Refuses a model that would compute with untrained weights.

    Args:
        source: The model's name, for the message.
        model: The loaded model.
        lacking: Names of missing weights; see `load_weights`.
        may_lack: Tells whether the model may lack the weight of a given name.

    Raises:
        UsageError: Other weights are missing; the message says how many and names the first.
    """
    needed = [name for name in model.state_dict() if not may_lack(model, name)]
    refused = [name for name in needed if name in lacking]
    if refused:
        shown = ", ".join(refused[:_SHOWN]) + (", …" if len(refused) > _SHOWN else "")
        has_code = bool(getattr(model.config, "auto_map", None))
        raise UsageError(
            f"{source} lacks {len(refused)} of {len(needed)} weights that its config.json asks "
            f"for (model_type {model.config.model_type}), or has them in another shape: {shown}",
            "name a model of an architecture that transformers has; this one needs its own code "
            "(auto_map in config.json), which rankgen does not run"
            if has_code
            else "name a checkpoint whose weights match its config.json; missing weights would be "
            "drawn at random",
        )


def is_head(model: PreTrainedModel, name: str) -> bool:
    """Tells whether a weight is above the body: in the head, or in the pooler that feeds it."""
    if model.base_model is model:
        return name.startswith("pooler.")
    body = f"{model.base_model_prefix}."
    return not name.startswith(body) or name.startswith(f"{body}pooler.")


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silences progress bars, and reports on new weights that look like errors."""
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
