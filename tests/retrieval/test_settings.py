from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from rankgen.manifests.errors import UsageError
from rankgen.manifests.storage.digest import sha256_of_bytes
from rankgen.retrieval.retriever import FIRST_STAGES
from rankgen.retrieval.settings import RetrieverSettings, parse_retriever


def identity(settings: RetrieverSettings) -> dict[str, object]:
    return FIRST_STAGES[settings.name].identity(settings)


def test_bm25_has_pyserini_s_defaults() -> None:
    settings = parse_retriever("bm25")
    assert (settings.k1, settings.b, settings.depth) == (0.9, 0.4, 100)
    assert identity(settings) == {"name": "bm25", "depth": 100, "k1": 0.9, "b": 0.4}


def test_threads_and_paths_are_no_part_of_the_identity(tmp_path: Path) -> None:
    assert identity(parse_retriever("bm25", threads=8)) == identity(parse_retriever("bm25"))
    for name in ("one.trec", "two.trec"):
        (tmp_path / name).write_text("q Q0 d 1 1 x\n")
    one, two = (parse_retriever(f"recorded:{tmp_path / n}") for n in ("one.trec", "two.trec"))
    assert identity(one) == identity(two)
    assert identity(one) == {
        "name": "recorded",
        "depth": 100,
        "run_sha256": sha256_of_bytes(b"q Q0 d 1 1 x\n"),
        "order": "score",
        "missing": "keep",
    }
    (tmp_path / "two.trec").write_text("q Q0 d 1 2 x\n")
    assert identity(one) != identity(two)


def test_defaults_of_later_settings_are_no_part_of_the_identity() -> None:
    later = identity(parse_retriever("bm25", rm3=True, language="de"))
    assert later == identity(parse_retriever("bm25")) | {"rm3": True, "language": "de"}
    of_five = parse_retriever("bm25", rm3=True, rm3_documents=5)
    assert identity(of_five)["rm3_documents"] == 5
    assert "rm3_documents" not in identity(parse_retriever("bm25", rm3=True, rm3_documents=10))


def test_an_unknown_name_has_a_suggestion() -> None:
    with pytest.raises(UsageError, match="there is no retriever 'bm52'") as caught:
        parse_retriever("bm52")
    assert caught.value.hint == "did you mean 'bm25'?"


@pytest.mark.parametrize(
    ("spec", "changed", "message"),
    [
        ("recorded", {}, "'recorded' needs a run"),
        ("recorded:absent.trec", {}, "there is no run file absent.trec"),
        ("bm25", {"depth": 0}, "retriever bm25: depth must be at least 1"),
        ("bm25", {"b": 1.5}, "retriever bm25: b must be at most 1"),
        ("bm25", {"k1": float("nan")}, "retriever bm25: k1 cannot be nan"),
        ("bm25", {"language": "xx"}, "retriever bm25: language is not .*: 'xx'"),
        ("bm25", {"order": "random"}, "order is not 'score' or 'rank': 'random'"),
    ],
)
def test_bad_settings_are_one_sentence(spec: str, changed: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_retriever(spec, **changed)


def test_settings_are_closed_and_consistent() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        RetrieverSettings.model_validate({"name": "bm25", "k2": 1})
    with pytest.raises(ValidationError, match="'bm25' takes none"):
        RetrieverSettings(name="bm25", run=Path("x"))
