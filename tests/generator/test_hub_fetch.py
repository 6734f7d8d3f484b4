"""A model is fetched once, though many workers of a node want it."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from fake_hub import COMMIT, MODEL, Hub, fake_hub
from test_cluster import Texts, events_of, text_job

from rankgen.generator.jobs.label.factory import LabelFactory
from rankgen.generator.shards import job as job_module
from rankgen.generator.shards.job import run_job
from rankgen.generator.shards.pool_settings import PoolSettings
from rankgen.generator.shards.work import FetchesFirst
from rankgen.generator.teachers.hub_fetch import HubFiles, chosen, fetch_once, files_of_teacher
from rankgen.generator.teachers.settings import LabelSettings

FILES = {
    "config.json": b"{}",
    "tokenizer.json": b'{"a": 1}',
    "model.safetensors": b"w" * 100_000,
    "pytorch_model.bin": b"v" * 100_000,
}
WANTED = {"config.json": 1, "tokenizer.json": 1, "model.safetensors": 1}
HOST = socket.gethostname()

FETCH = """
import sys
from rankgen.manifests.errors import EnvironmentProblem
from rankgen.generator.jobs.label.factory import LabelFactory
from rankgen.generator.teachers.hub_fetch import HubFiles, fetch_once
told = set()
def say(sentence):
    if sentence not in told:
        told.add(sentence)
        print(sentence, flush=True)
try:
    fetch_once(HubFiles(sys.argv[1], sys.argv[2], weights=True), say)
except EnvironmentProblem as problem:
    print(problem.message, problem.hint, sep="\\n")
"""


@pytest.fixture
def hub() -> Iterator[Hub]:
    with fake_hub(FILES) as served:
        yield served


@pytest.fixture
def variables(hub: Hub, tmp_path: Path) -> dict[str, str]:
    hub_variables = {
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": "",
        "HF_HUB_CACHE": str(tmp_path),
        "HF_HUB_OFFLINE": "0",
    }
    return {
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DOWNLOAD_TIMEOUT": "120",
        "NO_PROXY": "127.0.0.1",
        **hub_variables,
    }


@pytest.fixture
def worker(variables: dict[str, str]) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    begun: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        begun.append(
            subprocess.Popen(
                [sys.executable, "-c", FETCH, MODEL, COMMIT],
                env={**os.environ, **variables},
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.wait()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


DOWNLOADS = f"{HOST} downloads {MODEL} (0.1 MB)"
WAITS = f"waiting for {HOST}'s download of {MODEL}"


def test_one_worker_downloads_and_the_others_wait_for_it(
    hub: Hub, worker: Callable[[], subprocess.Popen[str]], tmp_path: Path
) -> None:
    first = worker()
    assert line(first) == DOWNLOADS
    others = [worker(), worker()]
    assert [line(other) for other in others] == [WAITS, WAITS]
    hub.may_send.set()
    assert [process.wait(60) for process in (first, *others)] == [0, 0, 0]
    # The weights in another format are nobody's, and nothing was fetched twice.
    assert hub.fetched == WANTED
    assert [line(process) for process in (first, *others)] == ["", "", ""]
    snapshot = tmp_path / "models--some--model" / "snapshots" / COMMIT
    assert {path.name: path.read_bytes() for path in snapshot.iterdir()} == {
        name: FILES[name] for name in WANTED
    }
    late = worker()
    assert (line(late), late.wait(60)) == ("", 0)


def test_the_next_one_goes_on_when_the_downloader_is_killed(
    hub: Hub, worker: Callable[[], subprocess.Popen[str]]
) -> None:
    first = worker()
    assert line(first) == DOWNLOADS
    second = worker()
    assert line(second) == WAITS
    first.kill()
    assert line(second) == DOWNLOADS
    hub.may_send.set()
    assert second.wait(60) == 0


def test_a_download_that_fails_is_one_sentence(
    hub: Hub, worker: Callable[[], subprocess.Popen[str]]
) -> None:
    hub.refused.add("model.safetensors")
    refused = worker()
    assert line(refused) == DOWNLOADS
    assert line(refused).startswith(f"the model {MODEL} cannot be fetched on {HOST}: ")
    assert "HF_TOKEN" in line(refused)


def test_without_the_hub_what_the_cache_has_must_do(
    worker: Callable[[], subprocess.Popen[str]], variables: dict[str, str]
) -> None:
    variables["HF_ENDPOINT"] = "http://127.0.0.1:1"
    alone = worker()
    assert (line(alone), alone.wait(60)) == ("", 0)


@pytest.mark.parametrize(
    ("names", "weights"),
    [
        (["model.safetensors", "pytorch_model.bin"], ["model.safetensors"]),
        (["model-1.safetensors", "consolidated.safetensors"], ["model-1.safetensors"]),
        (["consolidated.safetensors"], ["consolidated.safetensors"]),
        (["pytorch_model.bin", "model.onnx", "flax_model.msgpack"], ["pytorch_model.bin"]),
        (["original/model.safetensors", "onnx/model.onnx", "a.pt"], ["a.pt"]),
    ],
)
def test_one_format_of_the_weights_is_chosen(names: list[str], weights: list[str]) -> None:
    plain = ["config.json", "tokenizer.model"]
    assert chosen([*plain, *names], weights=True) == plain + weights
    assert chosen([*plain, *names], weights=False) == plain


def test_what_a_teacher_needs_of_the_hub(tmp_path: Path) -> None:
    def wanted(**settings: str) -> list[HubFiles]:
        given = LabelSettings.model_validate(settings)
        return files_of_teacher(given.resolved())

    pinned = {"teacher": "listwise", "model": MODEL, "revision": COMMIT}
    model = HubFiles(MODEL, COMMIT, weights=True)
    assert wanted(**pinned) == [model]
    # RankZephyr's own is bundled.
    assert wanted(**pinned, tokenizer="rankzephyr") == [model]
    own = HubFiles("some/tokenizer", "d" * 40, weights=False)
    assert wanted(**pinned, tokenizer=f"some/tokenizer@{'d' * 40}") == [model, own]
    server = {"teacher": "listwise", "model": "served", "base_url": "http://localhost:1/v1"}
    assert wanted(**server) == []
    assert wanted(**server, tokenizer=f"{MODEL}@{COMMIT}") == [HubFiles(MODEL, COMMIT, False)]
    assert wanted(teacher="listwise", model=str(tmp_path)) == []
    assert wanted(teacher="minilm") == []
    assert isinstance(LabelFactory(tmp_path, LabelSettings()), FetchesFirst)


class Fetching(NamedTuple):
    """Makes work that fetches the model first and then publishes the queries' texts."""

    cache: str

    def fetch(self, say: Callable[[str], None]) -> None:
        os.environ["HF_HUB_CACHE"] = self.cache
        fetch_once(HubFiles(MODEL, COMMIT, weights=True), say)

    def __call__(self) -> Texts:
        return Texts(())


def test_a_run_says_whose_download_is_waited_for_and_kills_nobody(
    hub: Hub, variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray import cloudpickle

    for module in (Texts.__module__, __name__):
        cloudpickle.register_pickle_by_value(sys.modules[module])
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    told: list[str] = []

    def tell(sentence: str) -> None:
        if sentence not in told:
            told.append(sentence)
        if {DOWNLOADS, WAITS} <= set(told):
            # Longer than a worker with tasks may stand still.
            threading.Timer(6.0, hub.may_send.set).start()

    monkeypatch.setattr(job_module, "warn", tell)
    pool = PoolSettings(workers=2, cpus=0.1, stall_seconds=4.0)
    job = text_job(tmp_path / "run", None, [], pool)
    assert run_job(dataclasses.replace(job, factory=Fetching(str(tmp_path)))).queries == 12
    assert sorted(told) == sorted([DOWNLOADS, WAITS])
    assert hub.fetched == WANTED
    assert "worker died" not in {event["event"] for event in events_of(tmp_path / "run")}
