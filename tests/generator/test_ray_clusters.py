"""Ray as it is found: slow to start, with a token, or started by somebody without our keys."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faulty_server import Reply, answer, serving
from test_cluster import make_candidates

from rankgen.generator.jobs.label.job import label
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.shards import cluster_token
from rankgen.generator.shards.cluster import ray_session, total_cpus
from rankgen.generator.shards.driver_variables import driver_variables
from rankgen.generator.shards.ray_start import connect_to, start_here
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import EnvironmentProblem

TIMED_OUT = "The current node timed out during startup. This could happen because some of the"
KEY = "a-key-that-nobody-may-read"
RAY = Path(sys.executable).with_name("ray")


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home folder of our own, for Ray keeps its token there."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        for name in ("RAY_AUTH_MODE", "RAY_ADDRESS", "OPENAI_API_KEY", "RANKGEN_DEBUG"):
            patch.delenv(name, raising=False)
        yield folder


@pytest.fixture(scope="module")
def logs() -> Iterator[Path]:
    """Where the cluster without a token keeps its logs; sockets want a short path."""
    with tempfile.TemporaryDirectory(prefix="ray") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def wants_none(home: Path, logs: Path) -> Iterator[str]:
    """A cluster without a token."""
    with cluster(logs, RAY_AUTH_MODE="disabled") as address:
        yield address


def write_token(home: Path, token: str) -> None:
    (home / ".ray").mkdir(exist_ok=True)
    (home / ".ray" / "auth_token").write_text(token)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def cluster(folder: Path, *options: str, **variables: str) -> Iterator[str]:
    """Starts a cluster as a user does and yields its address."""
    port, log = free_port(), folder / "head.log"
    command = [str(RAY), "start", "--head", "--block", "--num-cpus=2", f"--port={port}"]
    command += ["--node-ip-address=127.0.0.1", f"--ray-client-server-port={free_port()}"]
    command += ["--include-dashboard=false", f"--temp-dir={folder}/r", *options]
    with log.open("w") as output:
        head = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", **variables},
        )
    try:
        while "block forever" not in log.read_text():
            assert head.poll() is None, log.read_text()
            time.sleep(0.2)
        yield f"127.0.0.1:{port}"
    finally:
        head.send_signal(signal.SIGTERM)
        head.wait(30)


def test_a_start_that_times_out_is_tried_again_then_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ray

    tries = []

    def too_slow(**options: object) -> None:
        tries.append(options)
        raise Exception(TIMED_OUT)

    monkeypatch.setattr(ray, "init", too_slow)
    with pytest.raises(EnvironmentProblem, match="this machine is too busy to start Ray"):
        start_here()
    assert len(tries) == 2


def test_any_other_failure_of_ray_names_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def odd(**options: object) -> None:
        raise OSError("No space left on device.\nand a trace")

    monkeypatch.setattr(ray, "init", odd)
    with pytest.raises(EnvironmentProblem, match=r"on this machine: No space left on device$"):
        start_here()
    with pytest.raises(EnvironmentProblem, match=r"at h:1: No space left on device$"):
        connect_to("h:1")


def test_an_address_where_nothing_answers_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_token, "_ANSWER_SECONDS", 2.0)
    address = f"127.0.0.1:{free_port()}"
    with (
        pytest.raises(EnvironmentProblem, match=f"no Ray cluster answers at {address}"),
        ray_session(address),
    ):
        pass


def test_a_ray_of_ones_own_starts_at_the_second_try_with_the_drivers_niceness(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ray

    init, tries = ray.init, []

    def slow_at_first(**options: object) -> None:
        tries.append(options)
        if len(tries) == 1:
            raise Exception(TIMED_OUT)
        init(**options)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(ray, "init", slow_at_first)
    with ray_session(None):

        class Asked:
            def niceness(self) -> int:
                return os.nice(0)

        assert total_cpus() >= 1
        asked = ray.remote(Asked).remote()
        assert ray.get(asked.niceness.remote()) == os.nice(0)
    assert len(tries) == 2
    assert not {name for name in os.environ if name.startswith(("RAY_AUTH", "RAY_worker"))}


def test_a_slow_node_is_waited_for_longer_than_ray_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray._private import services

    from rankgen.generator.shards import ray_start

    asked = []

    def late(address: str, node_id: str) -> dict[str, str]:
        asked.append(node_id)
        if len(asked) < 4:
            raise RuntimeError("no node yet")
        return {"node": node_id}

    monkeypatch.setattr(services, "get_node", late)
    monkeypatch.setattr(ray_start, "_LOOK_SECONDS", 0.01)
    with ray_start._patient_start():
        assert services.get_node("a:1", "n") == {"node": "n"}
    assert len(asked) == 4
    assert services.get_node is late


def test_a_cluster_with_a_token_and_one_without(
    home: Path, wants_none: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_token(home, "0" * 64)
    with (
        tempfile.TemporaryDirectory(prefix="ray") as folder,
        cluster(Path(folder)) as wants_token,
    ):
        for address in (wants_token, wants_none, wants_token):
            with ray_session(address):
                assert total_cpus() == 2
            assert "RAY_AUTH_MODE" not in os.environ
        write_token(home, "1" * 64)
        with pytest.raises(EnvironmentProblem, match="refuses the token"), ray_session(wants_token):
            pass
        (home / ".ray/auth_token").unlink()
        with pytest.raises(EnvironmentProblem) as lacking, ray_session(wants_token):
            pass
        assert "this account does not have one" in lacking.value.message
        assert "RAY_AUTH_MODE=token" in str(lacking.value.hint)
        monkeypatch.setenv("RAY_AUTH_MODE", "token")
        with pytest.raises(EnvironmentProblem, match="without a token"), ray_session(wants_none):
            pass
        assert os.environ["RAY_AUTH_MODE"] == "token"


def test_the_drivers_key_reaches_the_workers_of_a_cluster_and_no_file(
    tmp_path: Path, logs: Path, wants_none: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidates = make_candidates(tmp_path / "candidates", queries=2)

    def settings(out: str, url: str) -> LabelRunSettings:
        return LabelRunSettings(
            candidates=candidates,
            teacher=LabelSettings(teacher="listwise", model="m", base_url=url, engine="openai"),
            ray_address=wants_none,
            out=tmp_path / out,
        )

    def reply(request: dict[str, object], seen: int) -> Reply:
        return answer(" > ".join(f"[{i}]" for i in range(20, 0, -1)))

    with serving(reply, key=KEY) as server:
        with pytest.raises(EnvironmentProblem) as lacking:
            label(settings("without", server.url))
        assert f"OPENAI_API_KEY is not set on node {socket.gethostname()}" in lacking.value.message
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        assert label(settings("with", server.url)).queries == 2
        monkeypatch.setenv("OPENAI_API_KEY", f"not-{KEY}")
        with pytest.raises(EnvironmentProblem, match="refuses the key") as wrong:
            label(settings("wrong", server.url))
        assert KEY not in wrong.value.message
    written = [path for folder in (tmp_path, logs) for path in folder.rglob("*") if path.is_file()]
    assert len(written) > 20
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []


def test_variables_that_belong_together_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith(("AWS_", "HF_", "RANKGEN_DEBUG"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    taken = driver_variables()
    assert taken.values == {
        "AWS_ACCESS_KEY_ID": "mine",
        "AWS_SECRET_ACCESS_KEY": KEY,
        "AWS_SESSION_TOKEN": None,
    }
    assert KEY not in repr(taken)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "the node's own")
    monkeypatch.setenv("HF_TOKEN", "the node's too")
    taken.take_over()
    assert "AWS_SESSION_TOKEN" not in os.environ
    assert os.environ["HF_TOKEN"] == "the node's too"


def test_debug_shows_what_workers_print(
    wants_none: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import ray

    class Speaker:
        def speak(self) -> None:
            print("a word from a worker", flush=True)

    for debug, times in (("0", 0), ("1", 1)):
        monkeypatch.setenv("RANKGEN_DEBUG", debug)
        with ray_session(wants_none):
            ray.get(ray.remote(Speaker).remote().speak.remote())
        said = capfd.readouterr()
        assert (said.out + said.err).count("a word from a worker") == times


def test_no_more_cpus_are_asked_for_than_the_largest_node_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from rankgen.generator.jobs.retrieve import job as retrieve
    from rankgen.retrieval.settings import RetrieverSettings

    monkeypatch.setattr(retrieve, "cpus_of_nodes", lambda: [1, 2])
    for threads, cpus in ((1, 1.0), (2, 2.0), (64, 2.0)):
        retriever = RetrieverSettings(name="bm25", threads=threads)
        settings = retrieve.RetrieveSettings(retriever=retriever, out=Path("out"))
        assert retrieve.size_pool(settings).cpus == cpus
