"""Adapters in a folder or on the Hub: which model they belong to, and what they are.

peft loads an adapter into any model of the right shapes. rankgen also records the content of the
model that the adapters were trained on, and does not put them into another one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rankgen.manifests.errors import EnvironmentProblem, RankgenError, UsageError, reason_of
from rankgen.manifests.long_documents.rule import ChunkRule
from rankgen.manifests.models.model_source import (
    ADAPTER_CONFIG,
    RECORD_FILE,
    model_identity,
    pinned_model,
)
from rankgen.manifests.storage.digest import sha256_of_file, sha256_of_value
from rankgen.students.model.bundled import BUNDLED_BACKBONE, backbone_path
from rankgen.students.model.cuts import CUTS_ENTRY, Cuts, cuts_of_record, rule_of_config
from rankgen.students.model.families.layout import source_file

CONFIG_FILE, WEIGHTS_FILE = ADAPTER_CONFIG, "adapter_model.safetensors"
# A head that is not part of a model of transformers, which peft would not load.
HEAD_FILE = "head.safetensors"
# As older versions of peft wrote them.
_OLD_WEIGHTS_FILE = "adapter_model.bin"
_FILES = (CONFIG_FILE, WEIGHTS_FILE, _OLD_WEIGHTS_FILE, HEAD_FILE, RECORD_FILE)
# By which pairs are read, where a trainer saved it beside the adapters.
_READING = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"),
    *("chat_template.jinja", "modules.json", "config_sentence_transformers.json"),
    *("sentence_bert_config.json", "1_LogitScore/config.json"),
)
_OF_BASE = ("base_model_name_or_path", "revision")
MERGED_HINT = "name the student that was saved merged, the folder above the adapter"


@dataclass(frozen=True)
class AdapterFolder:
    """What a folder says of its adapters.

    Attributes:
        source: As given: a folder, or "ID@COMMIT".
        path: The folder; of adapters from the Hub, the one that they were downloaded to.
        base: The model that they belong to: a folder, or "ID@COMMIT".
        base_identity: The identity of that model when they were trained; None if unknown.
        cuts: Tokens after which texts were cut in their training; None if unknown.
        long_documents: How documents were read in chunks; None if they were cut.
    """

    source: str
    path: Path
    base: str
    base_identity: str | None
    cuts: Cuts | None
    long_documents: ChunkRule | None

    @property
    def weights(self) -> Path:
        """The file of the adapters' weights."""
        path = self.path / WEIGHTS_FILE
        return path if path.is_file() else self.path / _OLD_WEIGHTS_FILE

    @property
    def identity(self) -> str:
        """The identity of the adapters on their base, "sha256:..."."""
        config = _json(self.path, CONFIG_FILE)
        # Where the base stands does not matter.
        own = {name: value for name, value in config.items() if name not in _OF_BASE}
        files = [self.weights, self.path / HEAD_FILE]
        weights = [sha256_of_file(path) for path in files if path.is_file()]
        parts = [weights, own, model_identity(self.base), *(self.cuts or ())]
        if self.long_documents is not None:
            # Earlier versions recorded the rule alone, and cut the documents all the same.
            parts.append({"read by": self.long_documents.as_values()})
        reading = {name: source_file(self.source, name) for name in _READING}
        held = {name: sha256_of_file(path) for name, path in reading.items() if path}
        if held:
            parts.append(held)
        return f"sha256:{sha256_of_value(parts)}"


def is_adapter(source: str) -> bool:
    """Tells whether a folder, or a model of the Hub, holds adapters and no model of its own.

    Args:
        source: A folder, or "ID@COMMIT".
    """
    if source_file(source, "config.json") is not None:
        return False
    return source_file(source, CONFIG_FILE) is not None


def read_adapter(source: str) -> AdapterFolder:
    """Reads which model the adapters of a folder belong to, and checks that it is still that one.

    Args:
        source: A folder, or "ID@COMMIT"; its adapters are downloaded if need be.

    Raises:
        UsageError: A file is damaged, the adapters are not LoRA, or the model is gone or another.
        EnvironmentProblem: The adapters or the model are not on this machine and cannot be
            downloaded.
    """
    folder = _folder_of(source)
    config, record = _json(folder, CONFIG_FILE), _json(folder, RECORD_FILE)
    if config.get("peft_type") != "LORA":
        raise UsageError(
            f"the adapter {source} is of the kind {config.get('peft_type')}, which is not read",
            "name an adapter of the kind LORA, or the model with the adapter merged",
        )
    base = _base(source, config, record)
    known = record.get("base_identity")
    adapter = AdapterFolder(
        source,
        folder,
        base,
        known if isinstance(known, str) else None,
        cuts_of_record(str(folder)),
        rule_of_config(source, {CUTS_ENTRY: record.get("settings")}),
    )
    if not adapter.weights.is_file():
        raise UsageError(f"the adapter {source} has no {WEIGHTS_FILE}", "name a whole adapter")
    found = model_identity(base)
    if adapter.base_identity not in (None, found):
        raise UsageError(
            f"the adapter {source} was trained on another base than {base}: on "
            f"{_short(str(known))}, and this is {_short(found)}",
            f"restore the base; or {merged_hint(source)}",
        )
    return adapter


def merged_hint(source: str) -> str:
    """Returns what to name in place of adapters, a folder or "ID@COMMIT"."""
    if not Path(source).is_dir():
        return "name a model with the adapter merged into it"
    return f"{MERGED_HINT}: {Path(source).absolute().parent}"


def _folder_of(source: str) -> Path:
    """Returns the folder of adapters, whose files are downloaded from the Hub if need be."""
    if Path(source).is_dir():
        return Path(source)
    from huggingface_hub.errors import HfHubHTTPError

    try:
        files = [source_file(source, name) for name in _FILES]
    # Of a network that breaks off, or a disk that is full.
    except (OSError, HfHubHTTPError) as error:
        raise EnvironmentProblem(
            f"the adapter {source} cannot be downloaded: {reason_of(error)}",
            f"download it where there is a network (hf download {source.partition('@')[0]}), or "
            "name a folder",
        ) from None
    return next(path.parent for path in files if path is not None)


def _base(source: str, config: Mapping[str, object], record: Mapping[str, object]) -> str:
    named, revision = config.get("base_model_name_or_path"), config.get("revision")
    if record.get("has_bundled_base"):
        return backbone_path(BUNDLED_BACKBONE)
    if not isinstance(named, str) or not named:
        raise UsageError(f"the adapter {source} does not name its base", merged_hint(source))
    is_folder = Path(named).is_dir()
    wanted = named if is_folder or not isinstance(revision, str) else f"{named}@{revision}"
    try:
        return pinned_model(wanted)
    except RankgenError as problem:
        raise type(problem)(
            f"the base of the adapter {source} is missing: {problem.message}",
            f"put it there again; or {merged_hint(source)}",
        ) from None


def _json(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise UsageError(
            f"{path} is damaged", "restore the file from a copy of the adapter"
        ) from None


def _short(identity: str) -> str:
    return identity[:19] if identity.startswith("sha256:") else identity
