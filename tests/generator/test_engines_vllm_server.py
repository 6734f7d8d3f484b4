"""A real vLLM server process behind the OpenAI engine: both APIs read our very prompt ids."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from rankgen.generator.answers.query_outcomes import QueryRanking
from rankgen.generator.strategies.ranking import rank_query
from rankgen.generator.teachers.registry import make_prompter, make_teacher
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.records import Document, Query

pytest.importorskip("vllm")

pytestmark = pytest.mark.usefixtures("unbound_vllm")

FIXTURE = Path(__file__).parents[1] / "fixtures" / "tiny_ranker"
START_S = 600
# Two windows of twenty, for which the tiny ranker was trained.
DEPTH = 30


@pytest.fixture(scope="module")
def server(unbound_vllm: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not (FIXTURE / "model" / "model.safetensors").is_file():
        pytest.skip("tests/fixtures/tiny_ranker/model is missing: the server was not tested")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--enforce-eager"]
    command += ["--model", str(FIXTURE / "model"), "--served-model-name", "tiny"]
    command += ["--dtype", "float32", "--max-model-len", "4096"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}
    with log.open("w") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, env=environment, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(process, url, log)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    began = time.monotonic()
    while time.monotonic() - began < START_S:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            urllib.request.urlopen(f"{url}/health", timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server did not start within {START_S} s")


def graded(count: int) -> list[Document]:
    words = (FIXTURE / "grades.txt").read_text().split()
    order = [(i * 37) % len(words) for i in range(count)]
    return [Document(f"d{i}", "", f"{words[i]} some caf\u00e9 text [3] {i}") for i in order]


@pytest.mark.timeout(900)
def test_chat_and_completions_read_the_same_prompt(server: str) -> None:
    documents = graded(DEPTH)
    query = Query("q", "which [1] comes first")

    async def label(api: str) -> QueryRanking:
        settings = LabelSettings.model_validate(
            {"teacher": "rankzephyr", "model": "tiny", "tokenizer": str(FIXTURE / "model")}
            | {"engine": "openai", "base_url": server, "api": api}
            # How well the tiny ranker ranks is not the question here.
            | {"min_named": 0.0}
        )
        teacher = make_teacher(settings)
        try:
            ranking = await rank_query(query, documents, teacher, window=20, stride=10)
        finally:
            await teacher.close()
        assert teacher.facts()["server"] == "vllm"
        order = list(range(DEPTH))
        for record in ranking.windows:
            span = [documents[i] for i in order[record.start : record.end]]
            built = make_prompter(settings).build(query, span)
            # The server counts what it read: the beginning token is there, once.
            assert record.result.usage.prompt == len(built.token_ids)
            assert record.result.usage.output == 90
            here = order[record.start : record.end]
            order[record.start : record.end] = [here[i] for i in record.result.permutation]
        return ranking

    chat = asyncio.run(label("chat"))
    completions = asyncio.run(label("completions"))
    assert chat == completions
    assert chat.order != tuple(range(DEPTH))
