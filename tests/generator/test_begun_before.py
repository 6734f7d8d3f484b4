"""Runs of an earlier version of the code are gone on with, and shards do not change with it.

`fixtures/begun_before` holds a retrieve run, and a label and a negatives run whose driver was
killed before the last shard, as the code made them in version 1.1 of the schema, before its rooms
were laid out anew. The digests are those of version 1.5.
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
    "candidates/candidates/train-00000-of-00003.parquet": "fae0fd1fa116135e",
    "candidates/candidates/train-00001-of-00003.parquet": "2422cf1d4ac6ec13",
    "candidates/candidates/train-00002-of-00003.parquet": "0f9628c20e27a85e",
    "candidates/documents/train-00000-of-00001.parquet": "1fc52deee3b3384a",
    "candidates/queries/train-00000-of-00001.parquet": "543ca83d315b023c",
    "labels/documents/train-00000-of-00001.parquet": "1fc52deee3b3384a",
    "labels/queries/train-00000-of-00001.parquet": "543ca83d315b023c",
    "labels/rankings/train-00000-of-00003.parquet": "36ff02ffa9b082a4",
    "labels/rankings/train-00001-of-00003.parquet": "fb51f0aac5efcaa0",
    "labels/rankings/train-00002-of-00003.parquet": "5c1201288b00ca6a",
    "labels/windows/train-00000-of-00003.parquet": "e99d83c603f48139",
    "labels/windows/train-00001-of-00003.parquet": "408eca6611c7de04",
    "labels/windows/train-00002-of-00003.parquet": "08cb69b0f6b3fd33",
    "negatives/documents/train-00000-of-00001.parquet": "0dc30cf5ccab03e4",
    "negatives/queries/train-00000-of-00001.parquet": "ab320c694fa61c48",
    "negatives/rankings/train-00000-of-00002.parquet": "16c033a3ea5f26a5",
    "negatives/rankings/train-00001-of-00002.parquet": "dfc2d615fbb0d204",
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
    """Returns the digests of a run that is gone on with: what was committed stays as it was.

    A negatives run writes its texts anew when it ends; a label run links those of its candidates.
    """
    made = {shard: digest for shard, digest in DIGESTS.items() if shard.startswith(f"{run}/")}
    texts = ("candidates/queries/", "candidates/documents/")
    for shard, digest in digests(BEFORE, "candidates").items():
        if run == "labels" and shard.startswith(texts):
            made[shard.replace("candidates", "labels", 1)] = digest
    anew = ("negatives/queries/", "negatives/documents/")
    kept = {s: digest for s, digest in digests(BEFORE, run).items() if not s.startswith(anew)}
    return made | kept


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
