"""A tiny student, shipped in each format once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from shipped_folders import EXPORT, copy_of
from toy_training import toy_lists

from rankgen.students.model.loading import load_backbone
from rankgen.students.shipping.settings import ShipSettings
from rankgen.students.shipping.ship import ship
from rankgen.students.shipping.shipped import Shipped

QUERY_TOKENS, PASSAGE_TOKENS = 8, 16


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: str) -> Path:
    folder = tmp_path_factory.mktemp("shipping") / "student"
    cuts = {"query_tokens": QUERY_TOKENS, "passage_tokens": PASSAGE_TOKENS}
    load_backbone(tiny_backbone, seed=0, dropout=0.0, **cuts).save(folder)
    return folder


@pytest.fixture(scope="session")
def exact(student: Path) -> tuple[Path, Shipped]:
    """The student in 32 bits."""
    out = student.parent / "exact"
    return out, ship(ShipSettings(student=str(student), out=out))


@pytest.fixture(scope="session")
def rounded(student: Path, exact: tuple[Path, Shipped]) -> tuple[Path, Shipped]:
    """The student in int8, compared on nothing."""
    out = student.parent / "rounded"
    asked = ShipSettings(student=str(student), out=out, format="onnx-int8", accept_loss=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EXPORT, copy_of(exact[0]))
        return out, ship(asked)


@pytest.fixture
def exported(exact: tuple[Path, Shipped], monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies the graph that is there already, as the exporter takes seconds."""
    monkeypatch.setattr(EXPORT, copy_of(exact[0]))


@pytest.fixture
def judged(write_candidates: Callable[..., Path], tmp_path: Path) -> dict[str, Path]:
    """Candidates of eight queries in a poor order; the two best of each are relevant."""
    orders, queries, documents = toy_lists(queries=8, passages=6)
    lists = {
        query: [(doc_id, float(-place)) for place, doc_id in enumerate(reversed(order))]
        for query, order in orders.items()
    }
    qrels = tmp_path / "qrels.txt"
    lines = [
        f"{query} 0 {doc_id} {int(place < 2)}\n"
        for query, order in orders.items()
        for place, doc_id in enumerate(order[:4])
    ]
    qrels.write_text("".join(lines))
    return {"candidates": write_candidates("held", lists, queries, documents), "qrels": qrels}
