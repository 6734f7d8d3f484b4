from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from rankgen.manifests.errors import UsageError
from rankgen.retrieval.colbert import first_stage
from rankgen.retrieval.colbert.checkpoint import check_encoder, find_checkpoint
from rankgen.retrieval.settings import parse_retriever


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What looks like a ColBERT checkpoint, as far as names and shapes go."""
    (tmp_path / "config.json").write_text('{"model_type": "bert", "hidden_size": 8}')
    (tmp_path / "artifact.metadata").write_text('{"dim": 4}')
    save_file({"linear.weight": np.zeros((4, 8), np.float32)}, tmp_path / "model.safetensors")
    return tmp_path


def test_the_digest_follows_the_files_and_not_the_place(folder: Path, tmp_path: Path) -> None:
    found = find_checkpoint(str(folder))
    assert found.folder == folder.resolve()
    again = first_stage.identity(parse_retriever("colbert", checkpoint=str(folder)))
    assert again == {
        "name": "colbert",
        "depth": 100,
        "checkpoint_sha256": found.sha256,
        "bits": 2,
    }
    (folder / "artifact.metadata").write_text('{"dim": 4, "query_maxlen": 16}')
    assert find_checkpoint(str(folder)).sha256 != found.sha256


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", None, "has no config.json with model.safetensors or pytorch_model.bin"),
        ("model.safetensors", None, "has no config.json with model.safetensors"),
        ("config.json", "{", "config.json of .* is not JSON"),
        ("config.json", '{"auto_map": {}}', "needs its own code"),
        ("artifact.metadata", '{"dim": 128}', "it has vectors of width 4, not 128"),
        ("artifact.metadata", "[]", "artifact.metadata of .* is not a JSON object"),
        ("model.safetensors", "not weights", "model.safetensors of .* cannot be read"),
    ],
)
def test_a_broken_checkpoint(folder: Path, file: str, content: str | None, message: str) -> None:
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_text(content)
    with pytest.raises(UsageError, match=message) as caught:
        find_checkpoint(str(folder))
    assert "\n" not in caught.value.message


def test_another_model_is_not_taken_for_colbert(folder: Path) -> None:
    save_file({"classifier.weight": np.zeros((1, 8))}, folder / "model.safetensors")
    with pytest.raises(UsageError, match=r"is not a ColBERT checkpoint.*lacks the projection"):
        find_checkpoint(str(folder))


def test_a_folder_that_is_not_there() -> None:
    with pytest.raises(UsageError, match=r"there is no checkpoint folder './no/such/folder'"):
        find_checkpoint("./no/such/folder")


def test_weights_as_pytorch_saves_them(folder: Path) -> None:
    import torch

    (folder / "model.safetensors").unlink()
    torch.save({"linear.weight": torch.zeros(4, 8)}, folder / "pytorch_model.bin")
    assert len(find_checkpoint(str(folder)).sha256) == 64
    assert json.loads((folder / "config.json").read_text())["model_type"] == "bert"


def test_an_encoder_without_its_weights_is_refused(folder: Path) -> None:
    """colbert-ai would draw them at random and say nothing."""
    from transformers import BertConfig, BertModel

    small = BertConfig(
        vocab_size=20,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
    )
    encoder = {f"bert.{name}": t.numpy() for name, t in BertModel(small).state_dict().items()}
    small.save_pretrained(folder)
    linear = {"linear.weight": np.zeros((4, 8), np.float32)}
    save_file(encoder | linear, folder / "model.safetensors", metadata={"format": "pt"})
    check_encoder("colbert", find_checkpoint(str(folder)))

    without_pooler = {name: t for name, t in encoder.items() if "pooler" not in name}
    save_file(without_pooler | linear, folder / "model.safetensors", metadata={"format": "pt"})
    check_encoder("colbert", find_checkpoint(str(folder)))

    foreign = {f"others.{name}": tensor for name, tensor in encoder.items()}
    save_file(foreign | linear, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UsageError, match=r"the checkpoint colbert lacks 21 of 21 weights"):
        check_encoder("colbert", find_checkpoint(str(folder)))
