"""Long documents in chunks: one rule for the teacher, the training and every scoring."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from toy_training import WORDS, settings_of
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.generator.jobs.label import work
from rankgen.generator.jobs.label.work import LabelWork
from rankgen.generator.prompts.training_rows import as_shown
from rankgen.generator.teachers.scripted import ScriptedTeacher, parse_script
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.shared_list import SharedList
from rankgen.manifests.long_documents.recorded import shown_otherwise
from rankgen.manifests.long_documents.rule import NAMES, ChunkRule, Counts
from rankgen.manifests.records import Document, Query
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import digest_of_documents
from rankgen.manifests.schema import DOCUMENTS
from rankgen.students.losses import parse_loss
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.document_scores import document_scores
from rankgen.students.model.hardware import choose_hardware
from rankgen.students.model.loading import load_backbone, load_cross_encoder
from rankgen.students.model.scoring import forward_sorted, score_each_pair
from rankgen.students.reranking import chunk_batches
from rankgen.students.reranking.candidates import FirstStage
from rankgen.students.reranking.reranker import StudentReranker
from rankgen.students.shipping import snippets
from rankgen.students.training.drawn import step_lists
from rankgen.students.training.lists import read_training_lists
from rankgen.students.training.step import Trainer
from rankgen.students.training.train import train_student

SIZES = {"chunk_words": 8, "chunk_overlap": 2, "most_chunks": 5}
RULES: dict[Counts, ChunkRule] = {
    counts: ChunkRule(counts, 8, 2, 5) for counts in ("first", "max", "mean")
}
CPU = choose_hardware("cpu", "fp32")


def planted(good: int, offset: int, length: int = 26) -> str:
    """Returns a text of `length` words, of which `good` from `offset` on answer the query."""
    words = [WORDS[(3 * offset + place) % len(WORDS)] for place in range(length)]
    words[offset : offset + good] = ["good"] * good
    return " ".join(words)


def long_lists(queries: int) -> tuple[dict[str, list[str]], dict[str, str], dict[str, str]]:
    """Lists whose better documents have more of the answer, always behind the first chunk."""
    orders, documents = {}, {}
    for number in range(queries):
        order = [f"d{number}-{place}" for place in range(4)]
        for place, doc_id in enumerate(order):
            documents[doc_id] = planted(2 * (3 - place), 9 + (number + 3 * place) % 9)
        orders[f"q{number:02d}"] = order
    return orders, dict.fromkeys(orders, "which is good"), documents


@pytest.fixture
def long_rankings(write_rankings: Callable[..., Path]) -> Path:
    return write_rankings("long", *long_lists(12))


@pytest.fixture
def long_candidates(write_candidates: Callable[..., Path]) -> Path:
    orders, queries, documents = long_lists(6)
    lists = {q: [(d, float(i)) for i, d in enumerate(order[::-1])] for q, order in orders.items()}
    folder = write_candidates("candidates", lists, queries, documents)
    # Every other document has a title.
    rows = [
        {"doc_id": d, "title": "a title" if i % 2 else "", "text": text}
        for i, (d, text) in enumerate(sorted(documents.items()))
    ]
    path = RunDirectory(folder).shard_path("documents", 0, 1)
    pq.write_table(pa.Table.from_pylist(rows, schema=DOCUMENTS), path)
    return folder


@pytest.fixture
def encoder(tiny_backbone: str) -> CrossEncoder:
    loaded = load_backbone(tiny_backbone, seed=1, query_tokens=8, passage_tokens=64, dropout=0.0)
    loaded.model.train(False)
    return loaded


def test_an_answer_behind_the_first_chunk_is_found_with_max_and_missed_with_first(
    recipe: dict[str, object],
    long_rankings: Path,
    write_candidates: Callable[..., Path],
    tmp_path: Path,
) -> None:
    changed = {"rankings": long_rankings, "passage_tokens": 48, "long_documents": "max", **SIZES}
    train_student(settings_of(recipe, **changed, max_steps=60))
    student = str(tmp_path / "student")
    # The last document has no answer; the others have it at the beginning, or only later.
    offsets = {"begin": 0, "second": 10, "last": 20}
    documents = {name: planted(6, at) for name, at in offsets.items()} | {"none": planted(0, 5)}
    lists = {"q": [(name, 0.0) for name in ("none", *offsets)]}
    folder = write_candidates("planted", lists, {"q": "which is good"}, documents)
    stage = FirstStage(RunDirectory(folder))
    texts = stage.texts(stage.lists.values(), None)

    def order(rule: ChunkRule | None) -> list[str]:
        found = StudentReranker.load(student, "fp32", device="cpu", long_documents=rule)
        scores = found.scores(texts)["q"]
        return sorted(scores, key=lambda doc_id: -scores[doc_id])

    assert order(RULES["max"])[-1] == "none"
    assert StudentReranker.load(student, "fp32").encoder.long_documents == RULES["max"]
    first = order(RULES["first"])
    assert first[0] == "begin"
    by_first = StudentReranker.load(student, "fp32", device="cpu", long_documents=RULES["first"])
    by_max = StudentReranker.load(student, "fp32", device="cpu")
    gap_first, gap_max = (
        min(s[name] for name in ("second", "last")) - s["none"]
        for s in (by_first.scores(texts)["q"], by_max.scores(texts)["q"])
    )
    assert gap_max > 1.0 > gap_first


@pytest.mark.parametrize("counts", RULES)
def test_scores_are_those_of_chunks_scored_one_by_one(
    encoder: CrossEncoder,
    long_candidates: Path,
    counts: Counts,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = FirstStage(RunDirectory(long_candidates))
    texts = stage.texts(stage.lists.values(), 3)
    reranker = StudentReranker(replace(encoder, long_documents=RULES[counts]), CPU, depth=3)
    told: list[int] = []
    found = reranker.scores(texts, told.append)
    assert sum(told) == texts.pairs(3)
    held = RunDirectory(long_candidates).read("documents").to_pylist()
    documents = {row["doc_id"]: Document(**row) for row in held}
    for row in texts.candidates:
        for doc_id in row.doc_ids[:3]:
            chunks = RULES[counts].read_of(documents[doc_id]).chunks
            assert len(chunks) == (1 if counts == "first" else 4)
            alone = [one_by_one(encoder, texts.queries[row.query_id], c.contents) for c in chunks]
            naive = {"first": alone[0], "max": max(alone), "mean": float(np.mean(alone))}
            assert found[row.query_id][doc_id] == pytest.approx(naive[counts], abs=1e-5)
    # Any number of chunks at a time gives the same.
    monkeypatch.setattr(chunk_batches, "CHUNKS_AT_ONCE", 5)
    again = reranker.scores(texts)
    for query_id, scores in found.items():
        assert again[query_id] == pytest.approx(scores, abs=1e-5)


def one_by_one(encoder: CrossEncoder, query: str, passage: str) -> float:
    pairs = encoder.pairs({"q": query}, {"d": passage}, [("q", "d")])
    return float(score_each_pair(encoder, pairs, CPU)[0])


@pytest.mark.parametrize("counts", ["max", "mean"])
def test_the_gradient_is_that_of_the_counted_scores_however_the_step_is_cut(
    recipe: dict[str, object], long_rankings: Path, tiny_backbone: str, counts: Counts
) -> None:
    settings = settings_of(
        recipe, rankings=long_rankings, long_documents=counts, dropout=0.0, **SIZES
    )
    lists = read_training_lists(RunDirectory(long_rankings), None)
    gradients = []
    for step_tokens, chunk_tokens in ((1, 90), (10**9, 10**9)):
        student = trained(tiny_backbone, settings.chunk_rule)
        hardware = choose_hardware(
            "cpu", "fp32", step_tokens=step_tokens, chunk_tokens=chunk_tokens
        )
        drawn = step_lists(student, lists, settings).of_step(0)
        assert [ranked.passages for ranked in drawn] == [4] * 4
        assert all(len(ranked.pairs) == 16 for ranked in drawn)
        Trainer(student, parse_loss("ranknet"), settings, hardware, 1).run(0, drawn)
        gradients.append(gradient_of(student))
    naive = trained(tiny_backbone, settings.chunk_rule)
    loss = torch.zeros(())
    for ranked in drawn:
        chunks = forward_sorted(naive, ranked.pairs, CPU).reshape(4, 4)
        scores = chunks.max(dim=1).values if counts == "max" else chunks.mean(dim=1)
        above, below = torch.triu_indices(4, 4, 1)
        loss = loss + torch.nn.functional.softplus(scores[below] - scores[above]).mean() / 4
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    gradients.append(gradient_of(naive))
    assert gradients[0].norm() > 1e-4
    for other in gradients[1:]:
        assert (other - gradients[0]).norm() < 1e-4 * gradients[0].norm()


def trained(backbone: str, rule: ChunkRule | None) -> CrossEncoder:
    student = load_backbone(backbone, seed=3, query_tokens=8, passage_tokens=32, dropout=0.0)
    return replace(student, long_documents=rule)


def gradient_of(student: CrossEncoder) -> torch.Tensor:
    held = [p.grad.flatten() for p in student.model.parameters() if p.grad is not None]
    return torch.cat(held)


def labelled(
    source: RunDirectory, rule: dict[str, object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> tuple[dict[tuple[str, str], Document], list[dict[str, object]]]:
    """Labels candidates; returns what the teacher saw by query and document, and the rankings."""
    saw: dict[tuple[str, str], Document] = {}

    def key(query: Query, passage: Document, place: int) -> float:
        saw[query.query_id, passage.doc_id] = passage
        return float(-place)

    teacher = ScriptedTeacher(parse_script("reverse"), key, "watched")
    monkeypatch.setattr(work, "make_teacher", lambda *_: teacher)
    settings = LabelSettings.model_validate({"teacher": "minilm", **rule}).resolved()
    worker = LabelWork(source, settings, digest_of_documents(source))
    queries = [Query(q, text) for q, text in sorted(source.texts("queries").items())]
    filled = asyncio.run(worker.fill(queries, tmp_path / "journal"))
    return saw, filled.tables["rankings"].to_pylist()


@pytest.mark.parametrize("counts", RULES)
def test_teacher_training_and_reranking_see_the_same_chunks(
    encoder: CrossEncoder,
    recipe: dict[str, object],
    long_candidates: Path,
    counts: Counts,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    source = RunDirectory(long_candidates)
    rule: dict[str, object] = {"long_documents": counts, **SIZES}
    saw, rankings = labelled(source, rule, monkeypatch, tmp_path)
    pq.write_table(
        pa.Table.from_pylist(rankings),
        made(RunDirectory(long_candidates).shard_path("rankings", 0, 1)),
    )
    settings = settings_of(recipe, rankings=long_candidates, passage_tokens=64, **rule)
    student = replace(encoder, long_documents=settings.chunk_rule)
    draws = step_lists(student, read_training_lists(source, None), settings)
    assert draws.chunks is not None
    (query_id, *_) = source.texts("queries")
    trained_on = {
        doc_id: [ids.tolist() for _, ids in draws.source([(query_id, key) for key in keys])]
        for doc_id, keys in draws.chunks.items()
    }
    reranked: dict[tuple[str, str], list[list[int]]] = {}
    stage = FirstStage(source)
    for batch in chunk_batches.chunk_batches(
        student.long_documents, stage.texts(stage.lists.values(), None), None
    ):
        pairs = iter(student.pairs(source.texts("queries"), batch.texts, batch.named))
        sizes = iter(batch.sizes)
        for row in batch.lists:
            for doc_id in row.doc_ids:
                held = [next(pairs)[1].tolist() for _ in range(next(sizes))]
                reranked[row.query_id, doc_id] = held
    assert saw.keys() == reranked.keys()
    for (query_id, doc_id), chunks in reranked.items():
        assert chunks == trained_on[doc_id]
        (row,) = [row for row in rankings if row["query_id"] == query_id]
        number = listed(row["chunks"])[listed(row["doc_ids"]).index(doc_id)]
        shown = student.tokenise_passages({"d": saw[query_id, doc_id].contents})["d"].tolist()
        assert chunks[int(number)] == shown
        if counts == "first":
            assert (number, len(chunks)) == (0, 1)
        elif "good" in source.texts("documents")[doc_id]:
            assert "good" in saw[query_id, doc_id].text


def test_exported_prompts_hold_what_the_teacher_was_shown() -> None:
    documents = (Document("d", "t", planted(3, 9)), Document("e", "", "short"))
    ranked = SharedList("", "q", ("d", "e"), query="which is good", documents=documents)
    shown = as_shown(ranked, RULES["max"])
    assert [d.doc_id for d in shown.documents] == ["d", "e"]
    assert shown.documents[0] in RULES["max"].read_of(documents[0]).chunks
    assert "good good good" in shown.documents[0].text
    assert as_shown(ranked, None) is ranked


def listed(value: object) -> list[str]:
    assert isinstance(value, list)
    return value


def made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def test_without_the_option_nothing_changes(
    recipe: dict[str, object],
    long_candidates: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for asked in ({}, {"long_documents": "cut"}):
        settings = settings_of(recipe, **asked)
        assert not set(NAMES) & settings.recipe().keys()
        teacher = LabelSettings.model_validate(asked)
        assert not set(NAMES) & teacher.identity().keys()
        assert teacher.identity() == LabelSettings().identity()
    rule = {"long_documents": "max"}
    assert settings_of(recipe, **rule).recipe()["chunk_words"] == 160
    assert LabelSettings.model_validate(rule).identity()["most_chunks"] == 16
    with pytest.raises(UsageError, match="reads no texts"):
        LabelSettings(teacher="scripted:hash", long_documents="max").resolved()
    saw, rankings = labelled(RunDirectory(long_candidates), {}, monkeypatch, tmp_path)
    assert all(row["chunks"] is None for row in rankings)
    texts = RunDirectory(long_candidates).texts("documents")
    assert all(seen.contents == texts[doc_id] for (_, doc_id), seen in saw.items())


def test_a_student_is_scored_as_it_was_trained_and_told_otherwise(
    recipe: dict[str, object],
    long_rankings: Path,
    long_candidates: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    changed = {"rankings": long_rankings, "passage_tokens": 7, "long_documents": "mean", **SIZES}
    train_student(settings_of(recipe, **changed, max_steps=1))
    assert "chunks of 8 words fill the 7 tokens" in capsys.readouterr().err
    student = tmp_path / "student"
    record = json.loads((student / "rankgen.json").read_text())
    assert {record["facts"][name] for name in NAMES} == {"mean", 8, 2, 5}
    assert "mean of at most 5 chunks of 8 words, 2 of them shared counts" in (
        student / "README.md"
    ).read_text().replace("\n", " ")
    assert load_cross_encoder(str(student)).long_documents == RULES["mean"]
    (tmp_path / "qrels").write_text("q00 0 d0-0 1\n")
    command = ["evaluate", "--qrels", tmp_path / "qrels", "--candidates", long_candidates]
    command += ["--student", student, "--device", "cpu", "--precision", "fp32"]
    own = invoke(*command, "--out", tmp_path / "own")
    assert "was trained on" not in own
    otherwise = invoke(*command, "--out", tmp_path / "own", "--long-documents", "first")
    assert "it read the mean of at most 5 chunks" in otherwise
    assert "is scored by its first 160 words" in otherwise
    assert "is scored by its beginning alone" in invoke(
        *command, "--out", tmp_path / "own", "--long-documents", "cut"
    )
    kept = list((tmp_path / "own" / ".rankgen" / "scores").glob("*.json"))
    assert len(kept) == 3


def invoke(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return " ".join(done.stderr.split())


def test_labels_and_training_by_two_rules_are_told(long_rankings: Path) -> None:
    run = RunDirectory(long_rankings)
    assert shown_otherwise(run, RULES["max"]) is None
    recipe: dict[str, object] = {"documents_sha256": "x", **RULES["max"].as_values()}
    run.manifest.write_text(json.dumps({"predicate": {"recipe": recipe}}))
    assert shown_otherwise(run, RULES["max"]) is None
    told = shown_otherwise(run, None)
    assert told is not None
    assert "the best of at most 5 chunks of 8 words" in told
    assert "the student its beginning alone" in told


def test_a_megabyte_is_scored_chunk_by_chunk(
    encoder: CrossEncoder,
    write_candidates: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = " ".join(WORDS[place % 70] for place in range(250_000))
    assert len(text) == 999_999
    folder = write_candidates(
        "huge", {"q": [("d", 1.0), ("e", 0.0)]}, {"q": "salt"}, {"d": text, "e": ""}
    )
    stage = FirstStage(RunDirectory(folder))
    texts = stage.texts(stage.lists.values(), None)
    rule = ChunkRule("max", 40, 10, 16)
    (batch,) = chunk_batches.chunk_batches(rule, texts, None)
    assert batch.sizes == [16, 1]
    assert sum(map(len, batch.texts.values())) < 16 * 40 * 5
    scores = StudentReranker(replace(encoder, long_documents=rule), CPU).scores(texts)["q"]
    assert set(scores) == {"d", "e"}
    assert "go on after the 16 chunks" in capsys.readouterr().err


@pytest.mark.parametrize("rule", [*RULES.values(), ChunkRule("max", 3, 0, 2)])
def test_the_code_of_a_shipped_card_cuts_as_the_rule_does(rule: ChunkRule) -> None:
    written: dict[str, Any] = {}
    exec(snippets.chunks(rule), written)
    texts = ["", " salt ", "日本語 salt", planted(3, 9), " ".join(WORDS * 3), " ".join(WORDS[:9])]
    for text in texts:
        read = rule.read_of(Document("d", "", text)).chunks
        assert written["chunks"](text) == [chunk.text for chunk in read]


def test_scores_of_documents_are_counted() -> None:
    scores = torch.tensor([1.0, 3.0, -2.0, 5.0], requires_grad=True)

    def counted(counts: Counts, sizes: Sequence[int]) -> list[float]:
        found: list[float] = document_scores(RULES[counts], scores, sizes).tolist()
        return found

    assert counted("max", [3, 1]) == [3.0, 5.0]
    assert counted("mean", [2, 2]) == [2.0, 1.5]
    assert document_scores(None, scores, []) is scores
    document_scores(RULES["max"], scores, [3, 1]).sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert scores.grad is not None
    assert scores.grad.tolist() == [0.0, 1.0, 0.0, 1.0]
