"""A student cuts texts as in its training, whether it comes as a folder or from the Hub."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from offline_hub import fetch, without_network

from rankgen.manifests.errors import UsageError
from rankgen.students.model.hardware import choose_hardware
from rankgen.students.model.loading import load_backbone, load_cross_encoder
from rankgen.students.model.scoring import score_pairs
from rankgen.students.reranking.student_identity import student_identity

OLD, NEW = "a" * 40, "b" * 40
QUERY = " ".join(["which of these passages is a good one"] * 3)
PASSAGE = " ".join(["good water and salt of the iron river"] * 8)


@pytest.fixture
def student(tiny_backbone: str, tmp_path: Path) -> Path:
    folder = tmp_path / "student"
    load_backbone(tiny_backbone, seed=1, query_tokens=12, passage_tokens=20, dropout=None).save(
        folder
    )
    return folder


@pytest.fixture
def hub(student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of a machine without a network that has fetched some/student at OLD."""
    without_network(monkeypatch, tmp_path / "hub")
    return fetch(tmp_path / "hub", "some/student", OLD, student)


def as_in_earlier_versions(student: Path) -> None:
    """Moves the cuts from config.json to rankgen.json."""
    path = student / "config.json"
    config = json.loads(path.read_text())
    settings = config.pop("rankgen") | {"rankings": "/home/somebody/rankings"}
    path.write_text(json.dumps(config))
    (student / "rankgen.json").write_text(json.dumps({"settings": settings}))


def score(student: str) -> float:
    encoder = load_cross_encoder(student)
    query = encoder.tokenise_queries({"q": QUERY})["q"]
    passage = encoder.tokenise_passages({"d": PASSAGE})["d"]
    assert (len(query), len(passage)) == (12, 20)
    (scored,) = score_pairs(encoder, [(query, passage)], choose_hardware("cpu", "fp32"))
    return float(scored)


@pytest.mark.usefixtures("hub")
def test_a_model_id_gives_the_scores_of_the_folder(student: Path) -> None:
    assert score("some/student") == score(str(student))
    assert score(f"some/student@{OLD}") == score(str(student))


def test_students_of_earlier_versions_keep_their_cuts(student: Path, hub: Path) -> None:
    before = score(str(student))
    as_in_earlier_versions(student)
    as_in_earlier_versions(hub / "snapshots" / OLD)
    assert score(str(student)) == before
    assert score("some/student") == before


def test_pairs_of_another_cross_encoder_are_cut_as_one(student: Path) -> None:
    as_in_earlier_versions(student)
    before = student_identity(str(student))
    (student / "rankgen.json").unlink()
    loaded = load_cross_encoder(str(student))
    # What its tokenizer says.
    assert loaded.pair_tokens == loaded.longest_pair == 12 + 20 + 3
    assert student_identity(str(student)) not in (before, before.partition(" ")[0])
    assert student_identity(str(student)).endswith(" (pairs cut as one)")


@pytest.mark.parametrize("content", ["{", "{}", '{"settings": {"query_tokens": "many"}}', "[]"])
def test_a_damaged_record_is_one_sentence(student: Path, content: str) -> None:
    as_in_earlier_versions(student)
    (student / "rankgen.json").write_text(content)
    with pytest.raises(
        UsageError, match=r"rankgen.json of .* does not record after how many tokens"
    ):
        load_cross_encoder(str(student))


def test_cuts_that_are_no_numbers_are_one_sentence(student: Path) -> None:
    config = json.loads((student / "config.json").read_text())
    (student / "config.json").write_text(json.dumps(config | {"rankgen": {"query_tokens": 0}}))
    with pytest.raises(
        UsageError, match=r"config.json of .* does not record after how many tokens"
    ):
        load_cross_encoder(str(student))


def test_a_student_is_its_content_and_its_cuts(student: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(student, tmp_path / "moved")
    assert student_identity(str(moved)) == student_identity(str(student))
    (moved / "rankgen.json").write_text('{"settings": {"rankings": "/somewhere"}}')
    assert student_identity(str(moved)) == student_identity(str(student))
    (moved / "vocab.txt").write_text("other words")
    assert student_identity(str(moved)) != student_identity(str(student))
    as_in_earlier_versions(student)
    before = student_identity(str(student))
    record = json.loads((student / "rankgen.json").read_text())
    record["settings"] |= {"rankings": "/elsewhere"}
    (student / "rankgen.json").write_text(json.dumps(record))
    assert student_identity(str(student)) == before
    record["settings"] |= {"query_tokens": 9}
    (student / "rankgen.json").write_text(json.dumps(record))
    assert student_identity(str(student)) != before


def test_a_model_id_is_its_commit(hub: Path) -> None:
    assert student_identity("some/student") == f"some/student@{OLD}"
    fetch(hub.parent, "some/student", NEW, hub / "snapshots" / OLD)
    assert student_identity("some/student") == f"some/student@{NEW}"
    assert student_identity(f"some/student@{OLD}") == f"some/student@{OLD}"


def test_the_card_says_which_texts_sentence_transformers_cuts_otherwise(student: Path) -> None:
    """It cuts a pair of 12 + 20 tokens as we do, and leaves a longer query more room."""
    peers = pytest.importorskip("sentence_transformers")
    model = peers.CrossEncoder(str(student), device="cpu")
    encoder = load_cross_encoder(str(student))

    def both(query: str, passage: str) -> tuple[float, float]:
        pair = (
            encoder.tokenise_queries({"q": query})["q"],
            encoder.tokenise_passages({"d": passage})["d"],
        )
        (ours,) = score_pairs(encoder, [pair], choose_hardware("cpu", "fp32"))
        return float(ours), float(model.predict([(query, passage)])[0])

    ours, theirs = both("a good query", "good water and salt")
    assert ours == pytest.approx(theirs, abs=2e-5)
    for query, passage in ((QUERY, "good water"), ("a good query", PASSAGE)):
        ours, theirs = both(query, passage)
        assert abs(ours - theirs) > 1e-4
