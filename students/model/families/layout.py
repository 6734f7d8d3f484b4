"""The files of a checkpoint that say what kind of model it is, and how it is read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rankgen.manifests.errors import UsageError, reason_of
from rankgen.manifests.models.loading_report import load_part
from rankgen.manifests.models.model_source import split_revision

# sentence-transformers' names for the settings of its first module, the newest first.
TRANSFORMER_FILES = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)


@dataclass(frozen=True)
class Module:
    """One entry of sentence-transformers' modules.json.

    Attributes:
        kind: The last part of its class, such as "Pooling".
        path: Its folder within the checkpoint; "" is the checkpoint itself.
    """

    kind: str
    path: str


@dataclass(frozen=True)
class Layout:
    """A checkpoint before its weights are loaded.

    Attributes:
        source: A folder, or "ID@COMMIT".
        config: Its config.json.
        modules: Its modules.json; empty without one.
        adapter: An adapter that was saved with module files or a tokenizer of its own, a folder or
            "ID@COMMIT"; its files stand for those of the checkpoint.
    """

    source: str
    config: Mapping[str, Any]
    modules: tuple[Module, ...]
    adapter: str | None = None

    def file(self, name: str) -> Path | None:
        """Returns one of the files beside the body's weights, or None if there is none."""
        own = None if self.adapter is None else source_file(self.adapter, name)
        return own or source_file(self.source, name)

    def json(self, name: str) -> Any:
        """Returns the content of a JSON file beside the weights, or None without the file.

        Raises:
            UsageError: The file is damaged.
        """
        return _json_of(self.file(name), self.source, name)

    @property
    def has_adapter_modules(self) -> bool:
        """Whether the modules are those of the adapter."""
        return self.adapter is not None and source_file(self.adapter, "modules.json") is not None

    @property
    def tokenizer_source(self) -> str:
        """Where the tokenizer is loaded from."""
        has_own = self.adapter and source_file(self.adapter, "tokenizer_config.json")
        return self.adapter if self.adapter and has_own else self.source

    @property
    def architecture(self) -> str:
        """The class that config.json names; empty without one."""
        named = self.config.get("architectures")
        return str(named[0]) if isinstance(named, list) and named else ""

    @property
    def module_kinds(self) -> tuple[str, ...]:
        """The kinds of its modules, in order."""
        return tuple(module.kind for module in self.modules)

    def settings_of(self, module: Module) -> dict[str, Any]:
        """Returns the config.json in a module's folder.

        Raises:
            UsageError: It is not there, or damaged.
        """
        found: dict[str, Any] | None = self.json(f"{module.path}/config.json")
        if found is None:
            raise UsageError(
                f"{self.source} lacks {module.path}/config.json, which its modules.json names",
                "name a whole checkpoint",
            )
        return found

    def module_files(self) -> list[str]:
        """Returns the files, beside weights, that say how sentence-transformers uses a model."""
        of_modules = [f"{module.path}/config.json" for module in self.modules if module.path]
        whole = ("modules.json", "config_sentence_transformers.json", *TRANSFORMER_FILES)
        return [*whole, *of_modules]

    def transformer_settings(self) -> dict[str, Any]:
        """Returns how sentence-transformers makes the input; empty without modules.json."""
        if not self.modules:
            return {}
        found = (self.json(name) for name in TRANSFORMER_FILES)
        return next((settings for settings in found if settings), {})

    def prompt(self) -> str:
        """Returns the text that sentence-transformers puts before every query by default.

        Raises:
            UsageError: The prompt that is named is not there.
        """
        if not self.modules:
            return ""
        settings = self.json("config_sentence_transformers.json") or {}
        prompts, name = settings.get("prompts") or {}, settings.get("default_prompt_name")
        if not name:
            return ""
        if not isinstance(prompts, dict) or name not in prompts:
            raise UsageError(
                f"config_sentence_transformers.json of {self.source} names the prompt '{name}', "
                "which is not among its prompts",
                "restore the file from a copy of the model",
            )
        return str(prompts[name] or "")


def read_layout(source: str) -> Layout:
    """Reads the files that say what kind of model a checkpoint is.

    Raises:
        UsageError: There is no config.json, or a file is damaged.
    """
    config = read_json(source, "config.json")
    if config is None:
        # transformers says best what is wrong, and what it would also accept.
        config = load_part("AutoConfig", source).to_dict()
    if not isinstance(config, dict):
        raise _damaged(source, "config.json")
    return Layout(source, config, _modules(source))


def with_adapter(layout: Layout, adapter: str) -> Layout:
    """Returns the layout of a base with the files that an adapter was saved with.

    Args:
        layout: The base's.
        adapter: The adapter, a folder or "ID@COMMIT".

    Raises:
        UsageError: A file of the adapter is damaged.
    """
    modules = _modules(adapter) or layout.modules
    return Layout(layout.source, layout.config, modules, adapter)


def _modules(source: str) -> tuple[Module, ...]:
    listed: Any = read_json(source, "modules.json") or []
    try:
        return tuple(Module(str(m["type"]).rpartition(".")[2], str(m["path"])) for m in listed)
    except (KeyError, TypeError):
        raise _damaged(source, "modules.json") from None


def read_json(source: str, name: str) -> Any:
    """Returns the content of a checkpoint's JSON file, or None without the file.

    Raises:
        UsageError: The file is damaged.
    """
    return _json_of(source_file(source, name), source, name)


def _json_of(path: Path | None, source: str, name: str) -> Any:
    if path is None:
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise _damaged(source, name) from None


def source_file(source: str, name: str) -> Path | None:
    """Returns a file of a folder or "ID@COMMIT", fetched if need be; None if there is none."""
    model, revision = split_revision(source)
    if Path(model).is_dir():
        path = Path(model) / name
        return path if path.is_file() else None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return Path(hf_hub_download(model, name, revision=revision))
    # Also raised without a network, if the file was never downloaded.
    except EntryNotFoundError:
        return None


@contextmanager
def refusing_damage(source: str) -> Iterator[None]:
    """Turns what settings of a wrong kind raise, wherever they are used, into one sentence.

    Raises:
        UsageError: A setting is not what it should be.
    """
    try:
        yield
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise UsageError(
            f"the model {source} cannot be loaded, as its JSON files are damaged: "
            f"{reason_of(error)}",
            "restore them from a copy of the model",
        ) from None


def _damaged(source: str, name: str) -> UsageError:
    return UsageError(
        f"the model {source} cannot be loaded: its {name} is damaged",
        "restore the file from a copy of the model",
    )
