"""Faults of the disk and the clock: one sentence, the right exit code, nothing lost, resumable."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from killed_runs import RANKGEN, SHARDS, label_command, make_candidates, published
from processes import kill, wait_until

from rankgen.manifests.errors import EnvironmentProblem
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.storage_faults import named_storage_faults

pytestmark = pytest.mark.timeout(300)
CLOCK = Path(__file__).with_name("jumping_clock")
DAY = 86_400


@pytest.fixture(scope="module")
def candidates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_candidates(tmp_path_factory.mktemp("candidates"))


@pytest.fixture(scope="module")
def finished(candidates: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; tests change copies of it."""
    out = tmp_path_factory.mktemp("finished") / "run"
    done = run(label_command(candidates, out, 0.0))
    assert done.returncode == 0, done.stderr
    return out


def remount(place: Path, options: str) -> None:
    assert remounted(place, options)


def remounted(place: Path, options: str) -> bool:
    command = ["mount", "-o", f"remount,{options}", str(place)]
    return subprocess.run(command, capture_output=True).returncode == 0


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=200)


def sentence(done: subprocess.CompletedProcess[str], code: int) -> str:
    """Returns the one sentence of a command that failed with that exit code."""
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stdout + done.stderr
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert [line.partition(":")[0] for line in said] == ["error", "hint"], done.stderr
    return said[0]


def verified(out: Path) -> tuple[int, list[str]]:
    done = run([str(RANKGEN), "verify", "--full", "--json", str(out)])
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)["problems"]


def events(out: Path) -> list[str]:
    lines = [line for log in RunDirectory(out).events.iterdir() for line in log.open()]
    return [json.loads(line)["event"] for line in lines]


def commits(out: Path) -> int:
    return len(list(RunDirectory(out).commits.glob("0*.json")))


@pytest.mark.parametrize("spare_kb", [28, pytest.param(80, marks=pytest.mark.slow)])
def test_a_full_disk(candidates: Path, finished: Path, mounted: Path, spare_kb: int) -> None:
    out = mounted / "run"
    used = sum(path.stat().st_size for path in finished.rglob("*") if path.is_file())
    remount(mounted, f"size={used // 1024 // 2 + spare_kb}k")
    said = sentence(run(label_command(candidates, out)), 3)
    assert "No space left on device" in said
    assert str(out) in said
    if RunDirectory(out).plan.exists():
        # No use in trying again what met a full disk.
        assert "task failed" not in events(out)
        assert verified(out) == (4, [])
        before = published(out)
        assert all(before[name] == published(finished)[name] for name in before)
    remount(mounted, "size=8m")
    assert run(label_command(candidates, out)).returncode == 0
    assert published(out) == published(finished)
    assert verified(out) == (0, [])


def fill_up(ballast: Path) -> None:
    """Writes until the disk is full."""
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    assert shutil.disk_usage(ballast.parent).free == 0


def test_a_disk_that_fills_up_while_labels_come(
    candidates: Path, finished: Path, mounted: Path
) -> None:
    out, ballast = mounted / "run", mounted / "ballast"
    driver = subprocess.Popen(
        label_command(candidates, out, 0.2), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    wait_until(lambda: commits(out) >= 2 or driver.poll() is not None, "no commits")
    fill_up(ballast)
    output, errors = driver.communicate()
    done = subprocess.CompletedProcess([], driver.returncode, output.decode(), errors.decode())
    assert "No space left on device" in sentence(done, 3)
    assert "task failed" not in events(out)
    assert verified(out) == (4, [])
    committed = commits(out)
    assert 2 <= committed < SHARDS
    ballast.unlink()
    resumed = run(label_command(candidates, out))
    assert resumed.returncode == 0, resumed.stderr
    assert f"({committed} from before)" in resumed.stdout
    assert published(out) == published(finished)
    assert verified(out) == (0, [])


@pytest.mark.slow
def test_a_read_only_disk(candidates: Path, finished: Path, mounted: Path) -> None:
    out = mounted / "run"
    remount(mounted, "ro")
    said = sentence(run(label_command(candidates, out)), 3)
    assert "Read-only file system" in said
    remount(mounted, "rw")
    kill_after_commits(candidates, out, 2)
    # Busy until the last worker has noticed that its Ray is gone.
    wait_until(lambda: remounted(mounted, "ro"), "somebody still writes")
    committed = published(out)
    said = sentence(run(label_command(candidates, out)), 3)
    assert "Read-only file system" in said
    assert str(out) in said
    # Reading needs no writing.
    assert verified(out) == (4, [])
    assert run([str(RANKGEN), "status", str(out)]).returncode == 0
    assert published(out) == committed
    remount(mounted, "rw")
    assert run(label_command(candidates, out)).returncode == 0
    assert published(out) == published(finished)


def kill_after_commits(candidates: Path, out: Path, number: int) -> None:
    """Labels until so many shards are committed."""
    driver = subprocess.Popen(label_command(candidates, out, 0.2), stderr=subprocess.DEVNULL)
    wait_until(lambda: commits(out) >= number or driver.poll() is not None, "no commits")
    kill(driver.pid)
    driver.wait()
    assert number <= commits(out) < SHARDS


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_forbidden_folder(candidates: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "Permission denied" in sentence(run(label_command(candidates, tmp_path / "run")), 3)
    tmp_path.chmod(0o700)


@pytest.mark.parametrize("seconds", [-DAY, pytest.param(DAY, marks=pytest.mark.slow)])
def test_a_clock_that_jumps(candidates: Path, finished: Path, tmp_path: Path, seconds: int) -> None:
    out, jump = tmp_path / "run", tmp_path / "jump"
    path = os.pathsep.join(filter(None, (str(CLOCK), os.environ.get("PYTHONPATH"))))
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "CLOCK_JUMP_FILE": str(jump),
        "CLOCK_JUMP_SECONDS": str(seconds),
    }
    driver = subprocess.Popen(
        label_command(candidates, out, 0.15), env=environment, stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: commits(out) >= 2 or driver.poll() is not None, "no commits")
    jump.touch()
    seen = 0
    while driver.poll() is None:
        for clock in (environment, None):
            done = subprocess.run(
                [str(RANKGEN), "status", "--json", str(out)],
                env=clock,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
            state = json.loads(done.stdout)
            for name in ("seconds_left", "queries_per_second", "seconds_silent"):
                assert state[name] is None or state[name] >= 0, (name, state)
            seen += not state["finished"]
    assert driver.returncode == 0, driver.stderr
    assert seen
    assert published(out) == published(finished)
    assert verified(out) == (0, [])
    for record in RunDirectory(out).commits.glob("0*.json"):
        assert 0 <= json.loads(record.read_text())["facts"]["seconds"] < 60


def copied(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "run")


def test_a_truncated_shard(candidates: Path, finished: Path, tmp_path: Path) -> None:
    out = copied(finished, tmp_path)
    shard = RunDirectory(out).shard_paths("rankings")[3]
    whole = shard.read_bytes()
    os.truncate(shard, len(whole) // 2)
    code, (problem,) = verified(out)
    assert (code, str(shard) in problem) == (5, True)
    said = sentence(run(label_command(candidates, out)), 5)
    assert f"{shard} has {len(whole) // 2} bytes, not {len(whole)}" in said
    assert shard.stat().st_size == len(whole) // 2
    shard.write_bytes(whole)
    assert run(label_command(candidates, out)).returncode == 0
    assert verified(out) == (0, [])


@pytest.mark.parametrize("table", ["rankings", "windows"])
def test_a_flipped_bit(candidates: Path, finished: Path, tmp_path: Path, table: str) -> None:
    out = copied(finished, tmp_path)
    shard = RunDirectory(out).shard_paths(table)[1]
    whole = shard.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 1 << 5
    shard.write_bytes(flipped)
    code, (problem,) = verified(out)
    assert code == 5
    assert problem == f"{shard} has changed since it was committed (SHA-256 differs)"
    # Labelling again neither mends nor overwrites it behind the user's back.
    run(label_command(candidates, out))
    assert shard.read_bytes() == bytes(flipped)
    assert verified(out)[0] == 5
    shard.write_bytes(whole)
    assert verified(out) == (0, [])


def test_a_foreign_file(candidates: Path, finished: Path, tmp_path: Path) -> None:
    out = copied(finished, tmp_path)
    foreign = out / "rankings" / "train-00006-of-00007.parquet"
    foreign.write_bytes(RunDirectory(out).shard_paths("rankings")[0].read_bytes())
    assert verified(out) == (5, [f"{foreign} was not published by this run"])
    assert run(label_command(candidates, out)).returncode in (0, 5)
    assert foreign.exists()
    foreign.unlink()
    assert verified(out) == (0, [])


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (OSError(28, "Error writing bytes to file"), "/runs/x cannot be used on .*: No space left"),
        (OSError(30, "x", "/a/b"), "/a/b cannot be used on .*: Read-only file system"),
        (PermissionError(13, "x", b"/a/b"), "/a/b cannot be used on .*: Permission denied"),
        (OSError(5, "x", 7), "/runs/x cannot be used on .*: Input/output error"),
    ],
)
def test_faults_of_the_disk_are_one_sentence(fault: OSError, said: str) -> None:
    with pytest.raises(EnvironmentProblem, match=said), named_storage_faults(Path("/runs/x")):
        raise fault


def test_other_faults_are_not_the_disk_s() -> None:
    with pytest.raises(ConnectionResetError), named_storage_faults(Path("/runs/x")):
        raise ConnectionResetError(104, "reset")
