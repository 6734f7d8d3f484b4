"""Runs on an S3 store: one winner a commit, publishing that may be repeated, refused stores.

The server is moto's, over HTTP; it honours `If-None-Match: *` as AWS S3 does.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from http_listening import serve_in_background
from toy_ledger import (
    PLANNED,
    Killed,
    accept,
    attempt,
    killed,
    make_ledger,
    public_bytes,
    published_and_killed,
)

from rankgen.manifests.errors import EnvironmentProblem, UsageError
from rankgen.manifests.run import ledger as ledger_module
from rankgen.manifests.run import store_probe
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.store_probe import StoreToken, find_token, probed_store
from rankgen.manifests.storage.atomic import (
    publish,
    put_if_absent,
    read_files,
    remove_tree,
    share_file,
    whole_file,
    write_whole,
)
from rankgen.manifests.storage.object_store import create_object, is_remote, open_root


@pytest.fixture
def root(s3_bucket: str, request: pytest.FixtureRequest) -> Path:
    return open_root(f"{s3_bucket}/{abs(hash(request.node.name))}")


def test_only_folders_and_s3_are_places_for_a_run(s3_bucket: str, tmp_path: Path) -> None:
    for wrong in ("gs://bucket/run", "s3://", "s3:///run", "s3://bucket/run*"):
        with pytest.raises(UsageError, match="a run cannot be stored at"):
            open_root(wrong)
    assert open_root(str(tmp_path)) == tmp_path
    assert not is_remote(tmp_path)
    run = RunDirectory(f"{s3_bucket}/runs/x/")
    assert is_remote(run.root)
    assert str(run.shard_path("rankings", 3, 100)) == (
        f"{s3_bucket}/runs/x/rankings/train-00003-of-00100.parquet"
    )
    assert pickle.loads(pickle.dumps(run.root)) == run.root


def test_of_sixteen_racing_writers_one_wins(root: Path) -> None:
    for race in range(4):
        start = threading.Barrier(16)

        def put(writer: int, path: Path = root / f"{race}.json", start: object = start) -> bool:
            assert isinstance(start, threading.Barrier)
            start.wait()
            return put_if_absent(path, f"writer {writer}".encode())

        with ThreadPoolExecutor(16) as pool:
            won = list(pool.map(put, range(16)))
        assert won.count(True) == 1
        assert (root / f"{race}.json").read_bytes() == f"writer {won.index(True)}".encode()


def test_a_creation_whose_answer_was_lost_is_ours(root: Path) -> None:
    path = root / "record.json"
    assert create_object(path, b"attempt 1")
    assert create_object(path, b"attempt 1")
    assert not create_object(path, b"attempt 2")


def test_files_are_whole_shared_and_removed(root: Path, tmp_path: Path) -> None:
    with pytest.raises(Killed), whole_file(root / "a" / "x") as draft:
        killed(draft.write_bytes(b"half"))
    assert not (root / "a" / "x").exists()
    with whole_file(root / "a" / "x") as draft:
        draft.write_bytes(b"whole")
    write_whole(root / "a" / "y", b"other")
    local = tmp_path / "folder" / "x"
    share_file(root / "a" / "x", local)
    share_file(local, root / "b" / "x")
    share_file(root / "b" / "x", root / "c" / "x")
    assert read_files([root / "c" / "x", root / "a" / "y"]) == [b"whole", b"other"]
    assert read_files([root / "c" / "x"]) == [local.read_bytes()] == [b"whole"]
    remove_tree(root / "a")
    remove_tree(root / "a")
    assert sorted(path.name for path in root.iterdir()) == ["b", "c"]


def test_publishing_may_be_repeated(root: Path) -> None:
    source, public = root / "attempt", root / "public"
    write_whole(source, b"one")
    publish(source, public)
    write_whole(public, b"two")
    publish(source, public)
    assert public.read_bytes() == source.read_bytes() == b"one"
    remove_tree(source)
    with pytest.raises(FileNotFoundError):
        publish(source, public)


@pytest.mark.parametrize(
    ("step", "kill"),
    [
        ("read_shard", killed),
        ("put_if_absent", killed),
        ("publish", killed),
        ("publish", published_and_killed),
    ],
)
def test_a_kill_between_two_steps_of_a_commit_loses_nothing(
    root: Path, untouched: bytes, step: str, kill: Callable[..., None]
) -> None:
    run, ledger = make_ledger(root)
    made = attempt(run, "a")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger_module, step, kill)
        with pytest.raises(Killed):
            ledger.commit(made, PLANNED, accept)
    assert (0 in ledger.settle()) == (step == "publish")
    assert ledger.commit(attempt(run, "again"), PLANNED, accept) == (step != "publish")
    assert public_bytes(run) == untouched
    ledger.discard_work_in_progress()
    assert not run.attempts.exists()
    assert 0 in ledger.settle()


def test_a_slow_copy_of_an_older_revision_does_not_stay(root: Path, untouched: bytes) -> None:
    run, ledger = make_ledger(root)
    first = attempt(run, "a", ["1", "3"])
    calls = []

    def slow_publish(source: Path, public: Path) -> None:
        calls.append(source)
        if len(calls) == 1:
            # Another driver publishes this revision and the next while our copy is on its way.
            _, other = make_ledger(root)
            other.settle()
            assert other.commit(attempt(run, "b", PLANNED, revision=1), PLANNED, accept)
            assert public_bytes(run) == untouched
        publish(source, public)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger_module, "publish", slow_publish)
        assert ledger.commit(first, PLANNED, accept)
    assert calls[0] != calls[-1]
    assert public_bytes(run) == untouched


def test_the_probe_leaves_its_token_only_while_the_job_runs(root: Path, tmp_path: Path) -> None:
    for place in (root, tmp_path / "run"):
        run = RunDirectory(place)
        with probed_store(run) as token:
            find_token(pickle.loads(pickle.dumps(token)), "here")
        assert list(run.state.glob("*")) == []


def test_a_node_that_does_not_share_the_folder_is_named(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_probe, "PATIENCE_SECONDS", 0.5)
    for place in (root, tmp_path):
        absent = StoreToken(place / "run" / ".rankgen" / "job-x", b"x")
        with pytest.raises(EnvironmentProblem, match=r"node alpha does not see .*run") as caught:
            find_token(absent, "alpha")
        assert "every node shares" in (caught.value.hint or "")


def refused(root: Path | str) -> EnvironmentProblem:
    with pytest.raises(EnvironmentProblem) as caught, probed_store(RunDirectory(root)):
        pass
    return caught.value


def test_a_bucket_that_does_not_exist_is_refused(s3_bucket: str) -> None:
    assert "bucket does not exist" in refused("s3://nobodys-bucket/run").message


def test_missing_credentials_are_refused(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from s3fs import S3FileSystem

    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    S3FileSystem.clear_instance_cache()
    assert "Unable to locate credentials" in refused(f"{s3_bucket}/run").message
    S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize("place", ["/proc/run", "/dev/null/run"])
def test_a_folder_that_cannot_be_written_is_refused(place: str) -> None:
    # Permission bits would not stop a test that runs as root; these places stop everybody.
    assert refused(place).message.startswith(f"{place} cannot hold a run: ")


@pytest.fixture
def careless_endpoint(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same store behind a server that does not know `If-None-Match`."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from s3fs import S3FileSystem
    from werkzeug.serving import make_server

    application = DomainDispatcherApplication(create_backend_app)

    def careless(environ: dict[str, object], start: object) -> object:
        environ.pop("HTTP_IF_NONE_MATCH", None)
        return application(environ, start)

    server = make_server("127.0.0.1", 0, careless, threaded=True)
    serve_in_background(server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    S3FileSystem.clear_instance_cache()
    yield
    server.shutdown()
    S3FileSystem.clear_instance_cache()


@pytest.mark.usefixtures("careless_endpoint")
def test_a_store_that_ignores_the_condition_is_refused(root: Path) -> None:
    # Without the condition the second writer wins too, which is what must never go unnoticed.
    assert put_if_absent(root / "record", b"one")
    assert put_if_absent(root / "record", b"two")
    problem = refused(root)
    assert "creates objects that exist already" in problem.message
    assert "conditional writes" in (problem.hint or "")
    assert list((root / ".rankgen").glob("job-*")) == []
