"""What tests ask of shipped folders: their scores, and their cards' code, run as it stands."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankgen.students.model.hardware import choose_hardware
from rankgen.students.model.loading import load_cross_encoder
from rankgen.students.model.scoring import score_each_pair
from rankgen.students.reranking.reranker import StudentReranker
from rankgen.students.shipping.shipped_folder import ONNX_FILE

EXPORT = "rankgen.students.shipping.graph.export_onnx"
PHOTOSYNTHESIS = "Photosynthesis turns light into sugar."
LONG = " ".join(["good", "bad", "ugly"] * 40)


def copy_of(folder: Path) -> Callable[[object, Path], None]:
    def export(encoder: object, path: Path) -> None:
        shutil.copyfile(folder / ONNX_FILE, path)

    return export


def scores_of(folder: Path, pairs: list[Any]) -> np.ndarray:
    reranker = StudentReranker.load(str(folder), "fp32", device="cpu")
    return score_each_pair(reranker.encoder, pairs, reranker.hardware)


def code_of(folder: Path, title: str) -> str:
    card = (folder / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"^{title}.*?:\n\n```python\n(.*?)\n```", card, re.DOTALL | re.MULTILINE)
    assert found is not None, title
    return found[1]


def run_code(folder: Path, code: str, texts: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Runs a card's code in the folder's parent; `texts` replaces texts in it by others."""
    for old, new in (texts or {}).items():
        assert old in code
        code = code.replace(old, new)
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.parent)
        exec(code, names)
    return names


def ours(student: Path, query: str, passages: list[str]) -> np.ndarray:
    encoder = load_cross_encoder(str(student))
    of_query = encoder.tokenise_queries({"q": query})["q"]
    of_passages = encoder.tokenise_passages({str(n): text for n, text in enumerate(passages)})
    pairs = [(of_query, of_passages[str(n)]) for n in range(len(passages))]
    return score_each_pair(encoder, pairs, choose_hardware("cpu", "fp32"))
