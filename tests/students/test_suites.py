"""Suites: NanoBEIR's layout beside sentence-transformers' evaluator, local folders, what fails."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from rankgen.generator.cli import app
from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.students.model.loading import load_backbone
from rankgen.students.suites.combined import SuiteResult
from rankgen.students.suites.folders import folder_tasks
from rankgen.students.suites.listed import listed_files
from rankgen.students.suites.registry import SUITES, find_suite
from rankgen.students.suites.table import suite_text

# fmt: off
WORDS = [
    "wing", "flow", "heat", "shock", "gene", "cell", "market", "bond", "court", "river", "stone",
    "paper", "engine", "light", "sound", "water", "ship", "tower", "music", "garden", "winter",
]
# fmt: on
TASKS = ("NanoSciFact", "NanoNFCorpus")
QUERIES, PASSAGES, LISTED = 5, 24, 12


@pytest.fixture(scope="module")
def nano(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks in the layout of NanoBEIR; some relevant passages are in no list."""
    folder, drawn = tmp_path_factory.mktemp("suite") / "nano", random.Random(5)
    parts: dict[str, list[str]] = {name: [] for name in ("corpus", "queries", "qrels", "bm25")}
    for split in TASKS:
        ids = [f"{split}-d{n}" for n in range(PASSAGES)]
        asked = [f"{split}-q{n}" for n in range(QUERIES)]
        judged = {query_id: drawn.sample(ids, 3) for query_id in asked}
        # A list without any relevant passage counts 0 there, whatever is put at its end.
        lists = []
        for found, *_ in judged.values():
            others = drawn.sample([doc_id for doc_id in ids if doc_id != found], LISTED - 1)
            lists.append(drawn.sample([found, *others], LISTED))
        tables = {
            "corpus": {"_id": ids, "text": [" ".join(drawn.sample(WORDS, 8)) for _ in ids]},
            "queries": {"_id": asked, "text": [" ".join(drawn.sample(WORDS, 3)) for _ in asked]},
            "qrels": {
                "query-id": [q for q in asked for _ in range(3)],
                "corpus-id": [doc_id for query_id in asked for doc_id in judged[query_id]],
            },
            "bm25": {"query-id": asked, "corpus-ids": lists},
        }
        for part, columns in tables.items():
            path = folder / part / f"{split}-00000-of-00001.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table(columns), path)
            parts[part].append(f"  - split: {split}\n    path: {part}/{path.name}")
    configs = "\n".join(
        f"- config_name: {part}\n  data_files:\n" + "\n".join(files)
        for part, files in parts.items()
    )
    (folder / "README.md").write_text(f"---\nconfigs:\n{configs}\n---\n")
    return folder


@pytest.fixture(scope="module")
def student(tiny_backbone: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    encoder = load_backbone(tiny_backbone, seed=2, query_tokens=16, passage_tokens=32, dropout=None)
    folder = tmp_path_factory.mktemp("student") / "tiny"
    encoder.save(folder)
    return folder


def evaluated(suite: Path | str, student: Path, out: Path, *words: object) -> Result:
    command = ["evaluate", "--suite", suite, "--student", student, "--out", out, *words]
    rest = ["--device", "cpu", "--precision", "fp32", "--json"]
    return CliRunner().invoke(app, [str(word) for word in [*command, *rest]])


def beir_task(folder: Path, seed: int) -> Path:
    drawn = random.Random(seed)
    (folder / "qrels").mkdir(parents=True)
    texts = [{"_id": f"d{n}", "text": " ".join(drawn.sample(WORDS, 6))} for n in range(20)]
    asked = [{"_id": f"q{n}", "text": " ".join(drawn.sample(WORDS, 2))} for n in range(3)]
    for name, rows in (("corpus", texts), ("queries", asked)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines)
    judged = "".join(f"q{n}\td{n}\t1\n" for n in range(3))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)
    return folder


@pytest.mark.usefixtures("one_ray")
def test_nanobeir_is_what_sentence_transformers_measures(
    nano: Path, student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets
    import torch
    from sentence_transformers import CrossEncoder
    from sentence_transformers.cross_encoder.evaluation import CrossEncoderNanoBEIREvaluator

    measures = [word for name in ("nDCG@10", "RR@10", "AP") for word in ("--measure", name)]
    done = evaluated(nano, student, tmp_path / "out", *measures)
    assert done.exit_code == 0, done.output
    base, ours = json.loads(done.stdout)["systems"]
    names = [split.removeprefix("Nano").lower() for split in TASKS]
    # A folder of an earlier test run may have had the same name.
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    peer = CrossEncoderNanoBEIREvaluator(names, dataset_id=str(nano), write_csv=False)
    # Its sigmoid makes ties of scores that differ.
    told = peer(CrossEncoder(str(student), device="cpu", activation_fn=torch.nn.Identity()))
    assert (base["name"], ours["name"]) == ("no re-ranking", "tiny")
    for measure, key in (("nDCG@10", "ndcg@10"), ("RR@10", "mrr@10"), ("AP", "map")):
        for split in TASKS:
            for system, prefix in ((ours, ""), (base, "base_")):
                expected = told[f"{split}_R100_{prefix}{key}"]
                found = system["figures"][measure][split.removeprefix("Nano")]
                assert found == pytest.approx(expected, abs=1e-4), (split, prefix, measure)
        assert ours["means"][measure] == pytest.approx(told[f"NanoBEIR_R100_mean_{key}"], abs=1e-4)
    assert 0 < ours["unjudged"]["SciFact"] < 1


@pytest.mark.usefixtures("one_ray")
def test_a_folder_of_tasks_is_searched_evaluated_and_recognised(
    student: Path, tmp_path: Path
) -> None:
    suite, out = tmp_path / "suite", tmp_path / "out"
    whole = beir_task(suite / "aviation", 1)
    # Nothing is found for a query of no word that the collection has.
    with (whole / "queries.jsonl").open("a") as file:
        file.write('{"_id": "q3", "text": "of the xylophone"}\n')
    with (whole / "qrels" / "test.tsv").open("a") as file:
        file.write("q3\td3\t1\n")
    lost = beir_task(suite / "broken", 2)
    (lost / "queries.jsonl").write_text('{"_id": "q0"}\n')
    first = evaluated(suite, student, out)
    assert first.exit_code == 4, first.output
    told = json.loads(first.stdout)
    assert told["queries"] == {"aviation": 4}
    assert any("1 of 4 judged queries has no list" in notice for notice in told["notices"])
    assert "queries.jsonl" in told["failed"]["broken"]
    single = json.loads((out / "tasks/aviation/evaluation/evaluation.json").read_text())
    held = {system["kind"]: system["measures"]["nDCG@10"] for system in single["systems"]}
    means = [system["means"]["nDCG@10"] for system in told["systems"]]
    assert means == [held["first-stage"], held["student"]]
    # The share is that of the lists that there are.
    with (out / "tasks/aviation/evaluation/per_query.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["measure"] == "Judged@10"]
    judged = [float(row[single["systems"][0]["name"]]) for row in rows]
    assert (len(judged), judged[-1]) == (4, 0)
    assert told["systems"][0]["unjudged"]["aviation"] == pytest.approx(1 - sum(judged) / 3)
    assert "no figures of 1 of 2 tasks (first: broken:" in first.stderr
    one = SuiteResult.model_validate(told)
    assert "one task, so that nothing is tested over tasks" in suite_text(one)
    assert "One task, so that nothing" in (out / "report.html").read_text()
    # The mended task is added; of the other nothing is scored again.
    (scores,) = (out / "tasks/aviation/evaluation/.rankgen/scores").glob("*.json")
    before = scores.stat().st_mtime_ns
    beir_task(tmp_path / "mended", 2)
    (lost / "queries.jsonl").write_bytes((tmp_path / "mended/queries.jsonl").read_bytes())
    again = evaluated(suite, student, out)
    assert again.exit_code == 0, again.output
    both = json.loads(again.stdout)
    assert set(both["queries"]) == {"aviation", "broken"}
    assert [scores] == list(scores.parent.glob("*.json"))
    assert scores.stat().st_mtime_ns == before
    assert "differs from no re-ranking over the 2 tasks" in suite_text(
        SuiteResult.model_validate(both)
    )
    (test,) = both["tests"]
    assert (test["a"], test["b"], test["queries"]) == ("no re-ranking", "tiny", 2)
    page = (out / "report.html").read_text()
    assert page.count('<th scope="row" dir="auto">aviation</th>') == 1


def test_what_is_wrong_with_a_suite_is_said(nano: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no suite 'nanobier'") as wrong:
        find_suite("nanobier")
    assert "nanobeir" in (wrong.value.hint or "")
    with pytest.raises(UsageError, match="has no task 'scifat'"):
        find_suite("beir", ["scifat"])
    lacking = beir_task(tmp_path / "suite" / "one", 3)
    (lacking / "qrels" / "test.tsv").unlink()
    with pytest.raises(UsageError, match=r"the task one of the suite .* has no qrels/test\.tsv"):
        folder_tasks(tmp_path / "suite")
    beir_task(tmp_path / "suite" / "two", 3)
    (only,) = find_suite(str(tmp_path / "suite"), ["two"]).tasks
    assert only.name == "two"
    with pytest.raises(UsageError, match="has no task 'three'"):
        find_suite(str(tmp_path / "suite"), ["three"])
    with pytest.raises(UsageError, match=r"has no .*NanoMissing"):
        listed_files(str(nano), "NanoMissing", tmp_path / "x", adds_positives=True)
    assert not (tmp_path / "x" / "qrels").exists()
    with pytest.raises(UsageError, match="is one collection, not a folder of several") as alone:
        folder_tasks(lacking)
    assert (alone.value.hint or "").endswith(f"--suite {tmp_path / 'suite'} --task one")


def copied(nano: Path, copy: Path) -> Path:
    for path in [nano / "README.md", *nano.glob("*/*.parquet")]:
        target = copy / path.relative_to(nano)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return copy


def test_grades_of_a_listed_task_are_read_as_they_are_written(nano: Path, tmp_path: Path) -> None:
    split, copy = TASKS[0], copied(nano, tmp_path / "copy")
    path = copy / "qrels" / f"{split}-00000-of-00001.parquet"
    held = pq.read_table(path)
    # As pandas writes them where one was missing.
    graded = held.append_column("score", pa.array([1.0, 0.0, -1.0] * QUERIES))
    pq.write_table(graded, path)
    files = listed_files(str(copy), split, tmp_path / "x", adds_positives=True)
    rows = [line.split() for line in files.qrels.read_text().splitlines()]
    assert {row[3] for row in rows} == {"1", "0", "-1"}
    assert files.run is not None
    in_lists = {tuple(line.split()[::2][:2]) for line in files.run.read_text().splitlines()}
    assert all((row[0], row[2]) in in_lists for row in rows if row[3] == "1")
    lists = pq.read_table(copy / "bm25" / path.name).to_pylist()
    shown = {(row["query-id"], doc_id) for row in lists for doc_id in row["corpus-ids"]}
    # What is judged irrelevant is not put at the end of a list.
    assert {pair for pair in in_lists if pair not in shown} <= {
        (row[0], row[2]) for row in rows if row[3] == "1"
    }
    pq.write_table(held.append_column("score", pa.array([0.5] * len(held))), path)
    with pytest.raises(UsageError, match=r"NanoSciFact: the grade '0\.5' is not a whole number"):
        listed_files(str(copy), split, tmp_path / "y", adds_positives=True)
    pq.write_table(held.rename_columns(["qid", "corpus-id"]), path)
    with pytest.raises(UsageError, match="has no column query-id, but qid, corpus-id"):
        listed_files(str(copy), split, tmp_path / "z", adds_positives=True)


def test_a_folder_that_was_mended_is_read_again(nano: Path, tmp_path: Path) -> None:
    split, copy = TASKS[0], copied(nano, tmp_path / "copy")
    files = listed_files(str(copy), split, tmp_path / "x", adds_positives=True)
    path = copy / "qrels" / f"{split}-00000-of-00001.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    before = files.qrels.read_text().splitlines()
    listed_files(str(copy), split, tmp_path / "x", adds_positives=True)
    assert files.qrels.read_text().splitlines() == before[1:]


def test_a_list_without_texts_is_damage(nano: Path, tmp_path: Path) -> None:
    split, copy = TASKS[0], copied(nano, tmp_path / "copy")
    corpus = copy / "corpus" / f"{split}-00000-of-00001.parquet"
    pq.write_table(pq.read_table(corpus).slice(1), corpus)
    with pytest.raises(IntegrityProblem, match=f"the document {split}-d0 of a list has no text"):
        listed_files(str(copy), split, tmp_path / "x", adds_positives=True)


@pytest.mark.parametrize("words", [["--qrels", "q.tsv"], ["--run", "a.run"], []])
def test_a_suite_takes_students_only(words: list[str], tmp_path: Path) -> None:
    student = ["--student", "s"] if words else []
    command = ["evaluate", "--suite", "beir", "--out", str(tmp_path), *student, *words]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    assert ("leave out" if words else "add --student") in done.stderr


def test_every_named_task_is_in_its_catalogue() -> None:
    import ir_datasets

    named = [task for suite in SUITES.values() for task in suite.tasks]
    ids = [task.source.removeprefix("irds:") for task in named if task.source.startswith("irds:")]
    assert len(ids) > 50
    assert [one for one in ids if one not in ir_datasets.registry] == []
    for name, suite in SUITES.items():
        assert len({task.name for task in suite.tasks}) == len(suite.tasks), name


def test_a_data_set_that_cannot_be_reached_is_tried_once(
    student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def unreachable(dataset: str, *_: object, **__: object) -> object:
        tried.append(dataset)
        raise ConnectionError(f"Couldn't reach '{dataset}' on the Hub")

    monkeypatch.setattr("datasets.load_dataset", unreachable)
    done = evaluated("nanobeir", student, tmp_path / "out", "--task", "NQ", "--task", "FEVER")
    assert done.exit_code == 4
    assert "NQ failed: hf:sentence-transformers/NanoBEIR-en cannot be obtained: " in done.stderr
    assert "FEVER failed: hf:sentence-transformers/NanoBEIR-en cannot be obtained, as for NQ" in (
        done.stderr
    )
    assert len(tried) == 1
