"""What `rankgen show` prints of a query: in a terminal, in a file, of runs that are not whole."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from labelled_in_process import label_in_process
from labelled_in_process import write_candidates as write_overlapping
from made_runs import ODD_IDS, write_candidates, write_labels
from typer.testing import CliRunner, Result

from rankgen.generator.cli import app
from rankgen.generator.commands.show_text import printable
from rankgen.manifests.records import Document
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_documents

FAILED = "007"


@pytest.fixture(scope="module")
def candidates(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return write_candidates(tmp_path_factory.mktemp("candidates") / "run", 12)


@pytest.fixture(scope="module")
def labels(candidates: RunDirectory) -> RunDirectory:
    return write_labels(candidates.root.parent / "labels", candidates, failed=[FAILED])


@pytest.fixture(scope="module")
def sliding(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Lists of 20, ordered by windows of 5 by 2."""
    folder = tmp_path_factory.mktemp("sliding")
    source = write_overlapping(folder / "candidates", 6, 20)
    return label_in_process(source, folder / "labels", 2)


def shown(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["show", *map(str, arguments)])


def printed(*arguments: object) -> str:
    result = shown(*arguments)
    assert result.exit_code == 0, result.stderr
    assert "\x1b" not in result.stdout
    return result.stdout


def test_both_orders_side_by_side(labels: RunDirectory) -> None:
    lines = printed(labels.root, "q0001").splitlines()
    assert lines[0] == "q0001  what is q0001?"
    assert "minilm: " in lines[1]
    # Each id stands before its text, which begins with "about" or "a title".
    rows = [re.findall(r"(q0001/d\d)  a", line) for line in lines]
    # Every list of four was turned round.
    assert [row for row in rows if row] == [
        ["q0001/d0", "q0001/d3"],
        ["q0001/d1", "q0001/d2"],
        ["q0001/d2", "q0001/d1"],
        ["q0001/d3", "q0001/d0"],
    ]
    text = " ".join(lines)
    for move in ("▲ 3", "▲ 1", "▼ 1", "▼ 3"):
        assert move in text
    assert "a title: about q0001/d1" in text


def test_scores_are_shown_where_they_are_kept(labels: RunDirectory) -> None:
    by_query = {row["query_id"]: row for row in labels.read("rankings").to_pylist()}
    with_scores = next(q for q, row in by_query.items() if row["teacher_scores"])
    without = next(q for q, row in by_query.items() if not row["teacher_scores"])
    assert "-7.75" in printed(labels.root, with_scores)
    assert "score" not in printed(labels.root, without)


def test_depth_and_json(sliding: RunDirectory) -> None:
    assert "17 more ranks: --depth 20" in printed(sliding.root, "q00", "--depth", "3")
    assert "more ranks" not in printed(sliding.root, "q00", "--depth", "20")
    view = json.loads(printed(sliding.root, "q00", "--json"))
    (row,) = (r for r in sliding.read("rankings").to_pylist() if r["query_id"] == "q00")
    (run,) = view["runs"]
    ids = [document["doc_id"] for document in view["documents"]]
    assert [ids[place] for place in run["after"]] == row["doc_ids"]
    assert run["scores"] == row["teacher_scores"]


def test_windows_one_by_one(sliding: RunDirectory) -> None:
    text = printed(sliding.root, "q00", "--windows")
    (run,) = json.loads(printed(sliding.root, "q00", "--json"))["runs"]
    calls = len(run["steps"])
    assert f"call 1 of {calls}: ranks 16 to 20 · ok" in text
    assert f"call {calls} of {calls}: ranks 1 to 4 · ok" in text
    # Each passage stands where it was shown and where it was put; the last call showed four.
    assert text.count("[4]") == 2 * calls
    assert text.count("[5]") == 2 * (calls - 1)
    step = run["steps"][0]
    rows = text.split("it said\n")[1].splitlines()[: len(step["shown"])]
    assert [list(map(int, re.findall(r"\[(\d+)\]", row))) for row in rows] == [
        [number + 1, step["shown"].index(document) + 1]
        for number, document in enumerate(step["answer"])
    ]


def test_a_repaired_and_a_failed_call(labels: RunDirectory) -> None:
    calls = labels.read("windows").to_pylist()
    repaired = next(call for call in calls if call["outcome"] == "repaired")
    text = printed(labels.root, repaired["query_id"], "--windows")
    assert "repaired" in text
    assert "1 left out" in text
    assert "(left out)" in text
    assert f"    {repaired['output_text']}" in text
    failed = next(call for call in calls if call["outcome"] == "error")
    text = printed(labels.root, failed["query_id"], "--windows")
    assert "call 1 of 2: ranks 1 to 4 · error" in text
    assert "not used: no answer" in text
    assert "call 2 of 2: ranks 1 to 4 · ok · attempt 2" in text


def test_a_quarantined_query(labels: RunDirectory) -> None:
    text = printed(labels.root, FAILED)
    assert "quarantined: the server said no" in text
    view = json.loads(printed(labels.root, FAILED, "--json"))
    assert view["runs"][0]["status"] == "quarantined"
    assert view["runs"][0]["after"] == []


@pytest.mark.parametrize("query_id", [one for one in ODD_IDS if one != FAILED])
def test_odd_ids(labels: RunDirectory, query_id: str) -> None:
    view = json.loads(printed(labels.root, query_id, "--json"))
    assert view["query_id"] == query_id
    assert view["documents"][0]["doc_id"].startswith(f"{query_id}/d")


def test_words_instead_of_an_id(labels: RunDirectory) -> None:
    assert printed(labels.root, "Q0002 WHAT").startswith("q0002  ")
    several = shown(labels.root, "what is")
    assert several.exit_code == 2
    assert "12 queries" in several.stderr
    assert "name one by its id: 007 (what is 007?); " in several.stderr
    unknown = shown(labels.root, "q00O1")
    assert unknown.exit_code == 2
    assert "hint: did you mean 'q000" in unknown.stderr
    assert "its first queries: " in shown(labels.root, "?¿?").stderr
    assert shown(labels.root, " ").exit_code == 2


def test_a_run_half_done(candidates: RunDirectory, tmp_path: Path) -> None:
    run = write_labels(tmp_path / "labels", candidates, committed=1)
    done = set(run.read("rankings")["query_id"].to_pylist())
    planned = set(candidates.read("queries")["query_id"].to_pylist())
    text = printed(run.root, min(done))
    assert f"{min(done)}  what is {min(done)}?" in text
    waiting = min(planned - done)
    refused = shown(run.root, waiting)
    assert refused.exit_code == 4
    assert f"query {waiting} of {run.root} is not ranked yet" in refused.stderr
    nothing = write_labels(tmp_path / "begun", candidates, committed=0)
    assert shown(nothing.root, waiting).exit_code == 4


def test_a_run_without_texts(candidates: RunDirectory, tmp_path: Path) -> None:
    run = write_labels(tmp_path / "labels", candidates)
    for path in run.shard_paths("documents"):
        path.unlink()
    source = RunDirectory(tmp_path / "moved")
    candidates.root.rename(source.root)
    try:
        text = printed(run.root, "q0001")
    finally:
        source.root.rename(candidates.root)
    assert "the run has no texts of its passages" in text
    assert "q0001/d3" in text


def test_what_is_no_run_of_rankings(candidates: RunDirectory, tmp_path: Path) -> None:
    for folder in (candidates.root, tmp_path):
        refused = shown(folder, "q0001")
        assert refused.exit_code == 2
        assert refused.stderr.startswith(f"error: {folder} has no rankings")


def test_a_passage_cannot_write_on_the_terminal(labels: RunDirectory, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "copy")
    for path in labels.root.rglob("*"):
        if path.is_file():
            target = run.root / path.relative_to(labels.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    nasty = "\x1b]0;owned\x07\x1b[31mred\x00\u202eright to left [bold]x[/bold] " + "long " * 20_000
    texts = [Document(f"q0001/d{n}", "", nasty) for n in range(4)]
    write_documents(run, texts, "f")
    text = printed(run.root, "q0001")
    assert not set(text) & {"\x1b", "\x07", "\x00", "\u202e"}
    assert "[bold]x" in printed(run.root, "q0001", "--windows") or "red" in text
    assert max(map(len, text.splitlines())) <= 120
    view = json.loads(printed(run.root, "q0001", "--json"))
    assert view["documents"][0]["text"] == nasty


def test_what_is_printable() -> None:
    assert printable("a\tb\n c") == "a b c"
    assert printable("\x1b[2J") == "\ufffd[2J"
    assert printable("می‌خواهم") == "می‌خواهم"
    assert len(printable("x" * 10_000)) == 1_000


def test_a_terminal_gets_colours_and_its_width(labels: RunDirectory) -> None:
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 60, 0, 0))
    command = [str(Path(sys.executable).with_name("rankgen")), "show", str(labels.root), "q0001"]
    environment = {**os.environ, "TERM": "xterm-256color"}
    for name in ("COLUMNS", "NO_COLOR"):
        environment.pop(name, None)
    subprocess.run(command, stdout=follower, stdin=follower, env=environment, check=True)
    os.close(follower)
    written = os.read(leader, 100_000).decode()
    os.close(leader)
    assert re.search(r"\x1b\[36m *▲ 3\x1b", written)
    assert max(len(re.sub(r"\x1b\[[\d;]*m", "", line)) for line in written.splitlines()) == 60


def test_an_encoding_without_arrows(labels: RunDirectory) -> None:
    command = [str(Path(sys.executable).with_name("rankgen")), "show", str(labels.root), "q0001"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert "+ 3" in done.stdout
    assert "- 3" in done.stdout
