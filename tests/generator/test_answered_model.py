"""The model that a server's answers name is the run's, and a swapped server stops it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from faulty_server import QUICK, Reply, Server, answer, serving

from rankgen.generator.engines.base import EnginePrompt
from rankgen.generator.engines.server.answered_model import AnsweredModel, answer_record
from rankgen.generator.engines.server.engine import OpenAIServer, ServerSettings
from rankgen.generator.engines.server.notes import server_notes
from rankgen.generator.jobs.label.job import label
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.manifests.errors import EnvironmentProblem
from rankgen.manifests.notices import warn
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.run.plan import read_plan
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_documents, write_queries
from rankgen.manifests.storage.shard import write_shard

pytest.importorskip("openai")

PROMPT = EnginePrompt((), (1, 2))


def named(model: object, fingerprint: str | None = None) -> Reply:
    """An answer of a model, in a setup."""
    body = json.loads(answer("[2] > [1]").body or "")
    return Reply(body=json.dumps(body | {"model": model, "system_fingerprint": fingerprint}))


def engine_of(server: Server, record: Path | None = None) -> OpenAIServer:
    spoken = ServerSettings(base_url=server.url, model="gpt", api="completions")
    return OpenAIServer(spoken, QUICK, AnsweredModel(record))


def test_answers_are_compared_with_answers_and_not_with_the_request() -> None:
    replies = [named("gpt-2024", "fp_a"), named("gpt-2024", "fp_b"), named(""), named("gpt-2025")]

    async def ask(server: Server) -> dict[str, str]:
        engine = engine_of(server)
        for _ in range(3):
            await engine.generate(PROMPT, 9)
        with pytest.raises(EnvironmentProblem) as caught:
            await engine.generate(PROMPT, 9)
        expected = "now answers as model gpt-2025, but this run began with answers from gpt-2024"
        assert expected in caught.value.message
        await engine.close()
        return dict(engine.facts())

    with serving(lambda request, seen: replies[seen - 1]) as server:
        facts = asyncio.run(ask(server))
    assert (facts["answered_model"], facts["system_fingerprint"]) == ("gpt-2024", "fp_a, fp_b")
    (note,) = server_notes([facts, {"system_fingerprint": "fp_b"}])  # type: ignore[list-item]  # a dict is invariant in its values
    assert "2 system fingerprints (fp_a, fp_b)" in note
    assert server_notes([{"system_fingerprint": "fp_a"}, {"system_fingerprint": "fp_a"}]) == []


def test_another_worker_and_a_resume_are_held_to_the_first_answer(tmp_path: Path) -> None:
    record = tmp_path / ".rankgen" / "answered.json"

    async def ask(server: Server) -> None:
        engine = engine_of(server, record)
        try:
            await engine.generate(PROMPT, 9)
        finally:
            await engine.close()

    with serving(lambda request, seen: named("one")) as server:
        asyncio.run(ask(server))
        asyncio.run(ask(server))
    with (
        serving(lambda request, seen: named("two")) as server,
        pytest.raises(EnvironmentProblem, match="began with answers from one"),
    ):
        asyncio.run(ask(server))
    record.write_text("torn")
    with (
        serving(lambda request, seen: named("one")) as server,
        pytest.raises(EnvironmentProblem, match="is damaged"),
    ):
        asyncio.run(ask(server))


@pytest.mark.usefixtures("one_ray")
@pytest.mark.timeout(300)
def test_a_run_keeps_its_model_over_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warn.cache_clear()
    source = RunDirectory(tmp_path / "candidates")
    asked = [Query(f"q{n}", f"question {n}") for n in range(3)]
    found = [Candidates(query.query_id, ("a", "b"), (2.0, 1.0)) for query in asked]
    write_shard(source.shard_path("candidates", 0, 1), "candidates", candidate_table(found), "f")
    write_queries(source, asked, "f")
    write_documents(source, [Document("a", "", "salt"), Document("b", "", "ice")], "f")

    def first(request: dict[str, object], seen: int) -> Reply:
        if "question 1" in json.dumps(request):
            return Reply(400, '{"error": {"code": "content_filter", "message": "filtered"}}')
        return named("gpt-2024", "fp_a")

    def settings(server: Server, **more: object) -> LabelRunSettings:
        teacher = {"teacher": "listwise", "model": "gpt", "base_url": server.url}
        values = {"candidates": source.root, "out": tmp_path / "run", "teacher": teacher}
        return LabelRunSettings.model_validate(values | more)

    with serving(first) as server:
        label(settings(server, max_failed=1))
    run = RunDirectory(tmp_path / "run")
    assert answer_record(run, read_plan(run)).exists()
    with (
        serving(lambda request, seen: named("gpt-2025")) as server,
        pytest.raises(EnvironmentProblem, match="began with answers from gpt-2024"),
    ):
        label(settings(server))
    with serving(lambda request, seen: named("gpt-2024", "fp_b")) as server:
        assert label(settings(server)).queries == 3
    predicate = json.loads(run.manifest.read_text())["predicate"]
    environments = predicate["environments"]
    assert {facts["answered_model"] for facts in environments} == {"gpt-2024"}
    assert {facts["system_fingerprint"] for facts in environments} == {"fp_a", "fp_b"}
    assert "2 system fingerprints (fp_a, fp_b)" in capsys.readouterr().err
