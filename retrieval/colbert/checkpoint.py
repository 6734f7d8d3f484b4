"""Finds, checks and identifies ColBERT checkpoints on disk or on the Hugging Face Hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from rankgen.manifests.errors import EnvironmentProblem, UsageError, reason_of
from rankgen.manifests.models.loading_report import is_head, load_weights, refuse_lacking
from rankgen.manifests.storage.digest import sha256_of_file, sha256_of_value

# The files that colbert-ai reads.
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
TEXTS = ("*.json", "*.txt", "*.model", "artifact.metadata")
# The width of the vectors if artifact.metadata does not name one.
DEFAULT_DIM = 128
_HINT = "name a ColBERT checkpoint, such as colbert-ir/colbertv2.0"


class ColbertCheckpoint(NamedTuple):
    """A checked ColBERT checkpoint: its folder on this machine, and the digest of its files."""

    folder: Path
    sha256: str


def find_checkpoint(name: str) -> ColbertCheckpoint:
    """Returns the checkpoint in a folder, or downloads that of a Hugging Face Hub id.

    Raises:
        UsageError: It is not a ColBERT checkpoint, or would run code of its own.
        EnvironmentProblem: `name` is not a folder and cannot be downloaded.
    """
    folder = Path(name) if Path(name).is_dir() else _downloaded(name)
    weights = next((folder / file for file in WEIGHTS if (folder / file).is_file()), None)
    if weights is None or not (folder / "config.json").is_file():
        raise UsageError(f"{name} has no config.json with {' or '.join(WEIGHTS)}", _HINT)
    # colbert-ai would trust and run this code.
    if "auto_map" in _settings(name, folder / "config.json"):
        raise UsageError(
            f"{name} needs its own code (auto_map in config.json), which rankgen does not run",
            "name a checkpoint with an architecture of transformers",
        )
    shape = _projection(name, weights)
    dim = _settings(name, folder / "artifact.metadata").get("dim", DEFAULT_DIM)
    if shape is None or shape[0] != dim:
        found = (
            "lacks the projection linear.weight"
            if shape is None
            else f"has vectors of width {shape[0]}, not {dim}"
        )
        raise UsageError(f"{name} is not a ColBERT checkpoint: it {found}", _HINT)
    read = {path for pattern in TEXTS for path in folder.glob(pattern)} | {weights}
    digests = {path.name: sha256_of_file(path) for path in read}
    return ColbertCheckpoint(folder.resolve(), sha256_of_value(digests))


def check_encoder(name: str, checkpoint: ColbertCheckpoint) -> None:
    """Loads the encoder once, as colbert-ai would draw missing weights at random without a word.

    Raises:
        UsageError: The encoder lacks weights or cannot be loaded.
        EnvironmentProblem: transformers or PyTorch is missing.
    """
    model, lacking = load_weights("AutoModel", str(checkpoint.folder))
    refuse_lacking(f"the checkpoint {name}", model, lacking, is_head)


def _downloaded(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(name, allow_patterns=[*WEIGHTS, *TEXTS]))
    except HFValidationError:
        raise UsageError(f"there is no checkpoint folder '{name}'", _HINT) from None
    # The errors for no network, an unknown model and no permission have no common base class.
    except Exception as error:
        raise EnvironmentProblem(
            f"the checkpoint {name} is not a folder and cannot be downloaded: {reason_of(error)}",
            _HINT,
        ) from None


def _settings(name: str, path: Path) -> dict[str, object]:
    if not path.is_file():
        return {}
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path.name} of {name} is not JSON: {error}", _HINT) from None
    if not isinstance(read, dict):
        raise UsageError(f"{path.name} of {name} is not a JSON object", _HINT)
    return read


def _projection(name: str, weights: Path) -> tuple[int, ...] | None:
    """Returns the shape (dim, hidden) of ColBERT's last layer, or None if it is missing."""
    try:
        if weights.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(weights, framework="numpy") as tensors:
                # safe_open's object is not a mapping: it has keys() but no `in`.
                if "linear.weight" not in tensors.keys():  # noqa: SIM118
                    return None
                return tuple(tensors.get_slice("linear.weight").get_shape())
        import torch

        loaded = torch.load(weights, map_location="cpu", weights_only=True, mmap=True)
        found = loaded.get("linear.weight")
        return None if found is None else tuple(found.shape)
    # Damaged files raise errors from safetensors, pickle, zipfile and PyTorch.
    except Exception as error:
        raise UsageError(
            f"{weights.name} of {name} cannot be read: {reason_of(error)}", _HINT
        ) from None
