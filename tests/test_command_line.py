"""What users type wrong, and what `rankgen` answers: one sentence, the right code, nothing made."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rankgen.generator.cli import app

RANKGEN = [str(Path(sys.executable).with_name("rankgen"))]


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """Three passages, one of them empty, and two queries."""
    folder = tmp_path / "collection"
    folder.mkdir()
    documents = [("a", "salt and pepper"), ("b", ""), ("c", "the moon over water")]
    lines = [json.dumps({"_id": i, "title": "", "text": text}) for i, text in documents]
    (folder / "corpus.jsonl").write_text("\n".join(lines) + "\n")
    queries = [("1", "pepper"), ("2", "moon")]
    lines = [json.dumps({"_id": i, "text": text}) for i, text in queries]
    (folder / "queries.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "run.trec").write_text("1 Q0 a 1 2.0 t\n1 Q0 c 2 1.0 t\n2 Q0 c 1 3.0 t\n")
    return folder


def refused(*arguments: object, code: int = 2) -> str:
    """Runs a command that must fail and returns its one-sentence error with the hint."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    lines = result.stderr.strip().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1, result.stderr
    assert "Traceback" not in result.stderr
    return "\n".join(lines[lines.index(errors[0]) :])


def recorded(tmp_path: Path) -> str:
    return f"recorded:{tmp_path / 'run.trec'}"


def retrieved(tmp_path: Path, collection: Path) -> Path:
    out = tmp_path / "candidates"
    command = ["retrieve", "--collection", collection, "--retriever", recorded(tmp_path)]
    result = CliRunner().invoke(app, [*map(str, command), "--out", str(out)])
    assert result.exit_code == 0, result.output
    return out


def test_the_version_is_told() -> None:
    found = CliRunner().invoke(app, ["--version"])
    assert found.exit_code == 0
    assert found.stdout == f"rankgen {metadata.version('rankgen-distill')}\n"


def test_help_shows_what_stands_in_brackets() -> None:
    """Typer's help reads `[@NAME]` as a style, and so shows nothing of it."""
    shown = CliRunner().invoke(app, ["import", "--help"], env={"COLUMNS": "300"}).stdout
    assert "hf:USER/NAME[@REVISION][:CONFIG[:SPLIT]]" in shown


def test_help_answers_at_once() -> None:
    shown = subprocess.run([*RANKGEN, "--help"], capture_output=True, text=True, check=True)
    for command in ("retrieve", "label", "train-student", "evaluate", "run", "status", "verify"):
        assert command in shown.stdout
    heavy = "import sys, rankgen.generator.cli; print([m for m in sys.modules if m in HEAVY])"
    code = f"HEAVY={{'torch','ray','vllm','pyarrow','pydantic','transformers','numpy'}}; {heavy}"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_a_terminal_of_another_encoding_still_gets_the_result(
    tmp_path: Path, encoding: str
) -> None:
    (tmp_path / "qrels").write_text("q1 0 a 1\nq2 0 a 1\n")
    run = tmp_path / "r\u00fcckw\u00e4rts \u65e5\u672c \udce9.trec"
    run.write_text("q1 Q0 a 1 2 t\n")
    command = [*RANKGEN, "evaluate", "--qrels", str(tmp_path / "qrels"), "--run", str(run)]
    command += ["--run", str(run), "--out", str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    for options in ([], ["--json"]):
        done = subprocess.run(
            [*command, *options], env=environment, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        text = done.stdout.decode(encoding)
        if options:
            (system, _) = json.loads(text)["systems"]
            assert system["measures"] == {"nDCG@10": 0.5}
            assert "\u65e5\u672c" in system["source"]
        else:
            assert "0.5000" in text
            rule = "\u2500" if encoding == "utf-8" else "-"
            assert re.search(rf"(?m)^ *{rule}{{20,}}$", text)
    assert "\u65e5\u672c \\udce9" in (tmp_path / "out" / "report.html").read_text("utf-8")
    shown = subprocess.run([*RANKGEN, "--help"], env=environment, capture_output=True, check=False)
    assert shown.returncode == 0, shown.stderr


def test_a_c_locale_without_utf8_gets_the_result_and_names_of_files(tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text("q1 0 a 1\n")
    run = tmp_path / "\udce9.trec"
    run.write_text("q1 Q0 a 1 2 t\n")
    command = [*RANKGEN, "evaluate", "--qrels", str(tmp_path / "qrels"), "--run", str(run)]
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONIOENCODING"}
    environment |= {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out")],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(rb"(?m)^ *-{20,}$", done.stdout)
    assert b"\xe9" in done.stdout


def test_a_missing_collection(tmp_path: Path) -> None:
    out = tmp_path / "out"
    message = refused("retrieve", "--collection", tmp_path / "none", "--out", out)
    assert "there is no collection folder" in message
    assert not out.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"_id": "a", "text": "x"}\n{"_id": "b", "text": \n', "corpus.jsonl line 2"),
        ('{"_id": "a", "text": "x"}\n{"_id": "a", "text": "y"}\n', "corpus.jsonl line 2"),
        ('{"text": "x"}\n', "corpus.jsonl line 1"),
        ("", "collection has no document at all"),
    ],
    ids=["malformed JSON", "duplicate id", "no id", "empty file"],
)
def test_a_broken_corpus(tmp_path: Path, collection: Path, content: str, message: str) -> None:
    (collection / "corpus.jsonl").write_text(content)
    out = tmp_path / "out"
    command = ("retrieve", "--collection", collection, "--retriever", recorded(tmp_path))
    answer = refused(*command, "--out", out)
    assert message in answer
    assert not out.exists()


@pytest.mark.usefixtures("one_ray")
def test_unknown_names_get_the_nearest_known_one(tmp_path: Path, collection: Path) -> None:
    out = tmp_path / "out"
    answer = refused("retrieve", "--collection", collection, "--retriever", "bm52", "--out", out)
    assert "did you mean 'bm25'?" in answer
    candidates = retrieved(tmp_path, collection)
    answer = refused("label", "--candidates", candidates, "--teacher", "rankzefir", "--out", out)
    assert answer == ("error: there is no teacher 'rankzefir'\nhint: did you mean 'rankzephyr'?")
    assert not out.exists()


@pytest.mark.usefixtures("one_ray")
def test_a_query_without_candidates_is_named_and_can_be_accepted(
    tmp_path: Path, collection: Path
) -> None:
    (tmp_path / "run.trec").write_text("1 Q0 a 1 2.0 t\n2 Q0 gone 1 2.0 t\n")
    command = ["retrieve", "--collection", collection, "--retriever", recorded(tmp_path)]
    command += ["--missing", "drop", "--out", tmp_path / "out"]
    answer = refused(*command, code=4)
    assert f"1 of 2 queries has no result in {tmp_path / 'out'} (first: 2: " in answer
    assert "found no candidates" in answer
    assert "--max-failed 1" in answer
    accepted = CliRunner().invoke(app, [*map(str, command), "--max-failed", "1"])
    assert accepted.exit_code == 0, accepted.output


@pytest.mark.usefixtures("one_ray")
def test_another_recipe_on_an_existing_output(tmp_path: Path, collection: Path) -> None:
    out = retrieved(tmp_path, collection)
    before = sorted(path.name for path in out.rglob("*"))
    command = ("retrieve", "--collection", collection, "--retriever", recorded(tmp_path))
    answer = refused(*command, "--depth", "7", "--out", out)
    assert "was made by another recipe: retriever.depth 100 -> 7" in answer
    assert "choose another --out" in answer
    assert sorted(path.name for path in out.rglob("*")) == before


def test_no_java_and_no_vllm(
    tmp_path: Path, collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANKGEN_JAVA_HOME", str(tmp_path / "no-java"))
    monkeypatch.setenv("RANKGEN_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "bm25"
    answer = refused("retrieve", "--collection", collection, "--out", out, code=3)
    assert "Java" in answer or "java" in answer
    assert not out.exists()
    monkeypatch.setitem(sys.modules, "vllm", None)
    from rankgen.generator.engines.vllm.arguments import VllmSettings
    from rankgen.generator.engines.vllm.engine import VllmEngine
    from rankgen.manifests.errors import EnvironmentProblem

    with pytest.raises(EnvironmentProblem, match="vllm") as caught:
        VllmEngine(VllmSettings(model="any"))
    assert caught.value.exit_code == 3


def test_labelling_what_is_no_run(tmp_path: Path) -> None:
    answer = refused("label", "--candidates", tmp_path, "--teacher", "minilm", "--out", "x")
    assert f"{tmp_path} has no candidates" in answer
    assert "is not a run of rankgen" in refused("status", tmp_path)
    assert "is not a run of rankgen" in refused("verify", tmp_path)


@pytest.mark.usefixtures("one_ray")
def test_a_whole_small_run_and_its_results(tmp_path: Path, collection: Path) -> None:
    candidates = retrieved(tmp_path, collection)
    out = tmp_path / "rankings"
    command = ["label", "--candidates", candidates, "--teacher", "scripted:reverse", "--json"]
    done = CliRunner().invoke(app, [*map(str, command), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["queries"] == 2
    command = ["label", "--candidates", candidates, "--teacher", recorded(tmp_path)]
    command += ["--order", "rank", "--out", tmp_path / "by-rank"]
    by_rank = CliRunner().invoke(app, [str(part) for part in command])
    assert by_rank.exit_code == 0, by_rank.output
    assert "recorded run, in the order of its rank column: queries 2, " in by_rank.stdout
    assert "tied rows 0" in by_rank.stdout
    checked = CliRunner().invoke(app, ["verify", "--full", "--json", str(out)])
    assert checked.exit_code == 0
    assert json.loads(checked.stdout)["problems"] == []
    shown = CliRunner().invoke(app, ["status", "--json", str(out)])
    assert json.loads(shown.stdout)["finished"] is True
    (tmp_path / "qrels").write_text("1 0 c 1\n2 0 c 1\n")
    command = ["evaluate", "--qrels", tmp_path / "qrels", "--rankings", out, "--json"]
    command += ["--candidates", candidates, "--out", tmp_path / "report"]
    evaluated = CliRunner().invoke(app, [str(part) for part in command])
    assert evaluated.exit_code == 0, evaluated.output
    systems = {s["kind"]: s["measures"] for s in json.loads(evaluated.stdout)["systems"]}
    assert systems["teacher"]["nDCG@10"] == 1.0
    assert systems["first-stage"]["nDCG@10"] == pytest.approx((1 / 1.58496250072 + 1) / 2)
    shard = next((out / "rankings").glob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[::-1])
    broken = CliRunner().invoke(app, ["verify", str(out)])
    assert broken.exit_code == 5
    assert "has changed since it was committed" in broken.stdout


def test_a_foreign_rankgen_is_named(tmp_path: Path) -> None:
    foreign = tmp_path / "rankgen"
    foreign.mkdir()
    (foreign / "__init__.py").write_text("raise ModuleNotFoundError('transformers')")
    code = "import sys; sys.path.insert(0, sys.argv.pop()); import rankgen_distill as r; r.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "another package named rankgen" in done.stderr
