"""Runs of an earlier version of the code are gone on with, and shards do not change with it.

`fixtures/begun_before` holds a retrieve run, and a label and a negatives run whose driver was
killed before the last shard, as the code made them before its rooms were laid out anew.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

RANKGEN = str(Path(sys.executable).with_name("rankgen"))
BEFORE = Path(__file__).resolve().parents[1] / "fixtures" / "begun_before"
RETRIEVE = "retrieve --collection coll --retriever recorded:run.trec --shards 3"
LABEL = "label --candidates candidates --teacher scripted:hash --window 8 --stride 4 --shards 3"
NEGATIVES = "negatives --candidates candidates --qrels qrels.txt --collection coll --count 5"
COMMANDS = {
    "candidates": RETRIEVE,
    "labels": f"{LABEL} --workers 1 --allow-other-versions",
    "negatives": f"{NEGATIVES} --shards 2",
}
# Parquet's own writer is named in each file, and bytes follow it.
WRITER = "26.0.1"
DIGESTS = {
    "candidates/candidates/train-00000-of-00003.parquet": "db3d0c5b9108c6a7",
    "candidates/candidates/train-00001-of-00003.parquet": "cedbcf2832621974",
    "candidates/candidates/train-00002-of-00003.parquet": "7a1b68a14243134e",
    "candidates/documents/train-00000-of-00001.parquet": "30652060fc562312",
    "candidates/queries/train-00000-of-00001.parquet": "c44eb183092c700b",
    "labels/documents/train-00000-of-00001.parquet": "30652060fc562312",
    "labels/queries/train-00000-of-00001.parquet": "c44eb183092c700b",
    "labels/rankings/train-00000-of-00003.parquet": "41d6f5cf9c11498d",
    "labels/rankings/train-00001-of-00003.parquet": "d94445ff70ca658a",
    "labels/rankings/train-00002-of-00003.parquet": "751395e68a609a4f",
    "labels/windows/train-00000-of-00003.parquet": "f28a4bae6fa7db5b",
    "labels/windows/train-00001-of-00003.parquet": "93416247211e76e0",
    "labels/windows/train-00002-of-00003.parquet": "cfcb0ae44fae057f",
    "negatives/documents/train-00000-of-00001.parquet": "b4c8b90a919e45d4",
    "negatives/queries/train-00000-of-00001.parquet": "94b6f860cb4e5023",
    "negatives/rankings/train-00000-of-00002.parquet": "0b295d418e956ba3",
    "negatives/rankings/train-00001-of-00002.parquet": "fca8dac290dd84da",
}


def digests(root: Path, run: str) -> dict[str, str]:
    """Returns the first characters of the digest of each shard of a run, by its path."""
    shards = sorted((root / run).glob("*/train-*.parquet"))
    return {
        shard.relative_to(root).as_posix(): hashlib.sha256(shard.read_bytes()).hexdigest()[:16]
        for shard in shards
    }


def told(root: Path, run: str) -> str:
    done = subprocess.run(
        [RANKGEN, *COMMANDS[run].split(), "--out", run],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def expected(run: str) -> dict[str, str]:
    return {shard: digest for shard, digest in DIGESTS.items() if shard.startswith(f"{run}/")}


@pytest.fixture(scope="module")
def anew(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("anew")
    shutil.copytree(BEFORE, root, dirs_exist_ok=True)
    for run in COMMANDS:
        shutil.rmtree(root / run)
    for run in COMMANDS:
        told(root, run)
    return root


def test_shards_are_the_same_byte_for_byte(anew: Path) -> None:
    if version("pyarrow") != WRITER:
        pytest.fail(f"pyarrow is not {WRITER} any more: look at the digests, and note new ones")
    assert {
        shard: digest for run in COMMANDS for shard, digest in digests(anew, run).items()
    } == DIGESTS


@pytest.mark.parametrize(
    ("run", "kept"),
    [("candidates", "3 from before"), ("labels", "2 from"), ("negatives", "1 from")],
)
def test_a_run_is_gone_on_with(tmp_path: Path, run: str, kept: str) -> None:
    shutil.copytree(BEFORE, tmp_path, dirs_exist_ok=True)
    assert kept in told(tmp_path, run)
    verified = subprocess.run([RANKGEN, "verify", "--full", run], cwd=tmp_path, timeout=240)
    assert verified.returncode == 0
    if version("pyarrow") == WRITER:
        assert digests(tmp_path, run) == expected(run)
