"""The identity of a model: the content of a folder, or a commit of a Hub id.

A name is not an identity: a folder may be moved or overwritten, and a branch on the Hub moves on.
Nor does a name alone say what it refers to: a folder that appears later, such as a run's own, may
have the same name as a model on the Hub, a packaged model or one that a server offers.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rankgen.manifests.errors import EnvironmentProblem, UsageError, reason_of
from rankgen.manifests.storage.digest import sha256_of_file, sha256_of_value

# The files that loaders of weights, tokenizers and chat templates read.
_SUFFIXES = frozenset(
    {
        ".json",
        ".safetensors",
        ".bin",
        ".pt",
        ".pth",
        ".txt",
        ".model",
        ".vocab",
        ".spm",
        ".tiktoken",
        ".jinja",
    }
)
# A student's record of how, where and when it was trained, which does not affect what it computes.
RECORD_FILE = "rankgen.json"
# What peft writes beside adapters, which have no config.json.
ADAPTER_CONFIG = "adapter_config.json"
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class ModelSource:
    """A model's name together with what it refers to.

    Attributes:
        kind: "packaged" models come with a package; a server has the "served" ones.
        name: As given; that of a "hub" model may be "ID@COMMIT".
    """

    kind: Literal["packaged", "folder", "hub", "served"]
    name: str

    def identity(self) -> str:
        """Returns "sha256:..." for a folder, else the name unchanged."""
        is_folder = self.kind == "folder"
        return f"sha256:{folder_digest(Path(self.name))}" if is_folder else self.name

    def anchored(self) -> str:
        """Returns the name in a form that a process in any working directory understands."""
        return str(Path(self.name).absolute()) if self.kind == "folder" else self.name


def folder_digest(folder: Path) -> str:
    """Returns a SHA-256 over the names and full contents of the folder's model files.

    Every byte is read, because training only a few layers leaves both ends of a file unchanged.
    """
    found = [path for path in folder.iterdir() if path.suffix in _SUFFIXES]
    found += (folder / "additional_chat_templates").glob("*.jinja")
    parts = [path for part in _module_folders(folder) for path in part.iterdir()]
    # Others are those of embedders, whose pooling rankgen does itself.
    if any(
        path.suffix in (".safetensors", ".bin") or path.parent.name.endswith("_LogitScore")
        for path in parts
    ):
        found += [path for path in parts if path.suffix in _SUFFIXES]
    files = [path for path in found if path.is_file() and path.name != RECORD_FILE]
    with ThreadPoolExecutor() as readers:
        digests = list(readers.map(sha256_of_file, files))
    names = [path.relative_to(folder).as_posix() for path in files]
    return sha256_of_value(dict(zip(names, digests, strict=True)))


def _module_folders(folder: Path) -> list[Path]:
    """Returns the sub-folders of a model that sentence-transformers made of several modules."""
    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        found = [folder / str(module["path"]) for module in modules if module["path"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [part for part in found if part.is_dir()]


def model_identity(model: str) -> str:
    """Returns "sha256:..." for a folder, else the model id unchanged."""
    folder = Path(model)
    return f"sha256:{folder_digest(folder)}" if folder.is_dir() else model


def split_revision(model: str) -> tuple[str, str | None]:
    """Returns a folder and None, or a model id and the revision after its "@", None without one."""
    if Path(model).is_dir():
        return model, None
    name, at, revision = model.partition("@")
    return (name, revision) if at else (model, None)


def pinned_model(model: str, held: object = None) -> str:
    """Returns a folder unchanged, and "ID@COMMIT" for a model id.

    Args:
        model: A folder, a model id, or "ID@REVISION" with a branch, tag or commit.
        held: The identity that earlier work recorded; its commit is kept if it has the same id and
            `model` names no revision.

    Raises:
        UsageError: There is no such model.
        EnvironmentProblem: The Hub cannot be reached and the model was never downloaded.
    """
    if isinstance(held, str) and held.startswith(f"{model}@"):
        # Even if a folder of that name has appeared since, such as the run's own.
        return held
    if Path(model).is_dir():
        return model
    if Path(model).is_absolute() or model.startswith((".", "~")):
        raise UsageError(
            f"the model {model} cannot be loaded: there is no such folder",
            "name a folder with config.json and weights, or a model id",
        )
    name, revision = split_revision(model)
    if revision is None or _COMMIT.fullmatch(revision) is None:
        revision = commit_of(name, revision)
    return f"{name}@{revision}"


def commit_of(model: str, revision: str | None) -> str:
    """Returns the commit that a branch, tag or commit of a Hub model refers to.

    Without a network it is the commit that was downloaded last.

    Args:
        model: A model id such as "castorini/rank_zephyr_7b_v1_full".
        revision: A branch, tag or commit; None means the main branch.

    Raises:
        UsageError: The Hub has no such model or revision.
        EnvironmentProblem: The model is not on this machine and cannot be downloaded.
    """
    try:
        from huggingface_hub import errors
    except ImportError:
        raise EnvironmentProblem(
            "the package huggingface_hub is not installed", 'pip install "rankgen-distill[teacher]"'
        ) from None
    try:
        config = _config_file(model, revision)
    except (OSError, errors.HfHubHTTPError, errors.HFValidationError) as error:
        reason = reason_of(error)
        absent = (
            errors.HFValidationError,
            errors.RepositoryNotFoundError,
            errors.RevisionNotFoundError,
        )
        if isinstance(error, absent) and not isinstance(error, errors.GatedRepoError):
            raise UsageError(
                f"the model {model} is not a folder and cannot be loaded from the Hub: {reason}",
                "check its name, or log in with `hf auth login` if it is private",
            ) from None
        raise EnvironmentProblem(
            f"the model {model} is not a folder and cannot be downloaded: {reason}",
            f"download it where there is a network (hf download {model}), or name a folder",
        ) from None
    # Snapshots are stored under their commit.
    return Path(config).parent.name


def _config_file(model: str, revision: str | None) -> str:
    """Returns the config.json of a Hub model, or what adapters have in its place."""
    from huggingface_hub import errors, hf_hub_download

    try:
        return hf_hub_download(model, "config.json", revision=revision)
    # Also raised without a network, if the file was never downloaded.
    except errors.EntryNotFoundError as absent:
        try:
            return hf_hub_download(model, ADAPTER_CONFIG, revision=revision)
        except errors.EntryNotFoundError:
            raise absent from None
