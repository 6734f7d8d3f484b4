"""A run becomes a data set: which files, which bytes, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_runs import LOGITS, queries_of, write_candidates, write_labels

from rankgen.manifests.column_meanings import COLUMN_MEANINGS
from rankgen.manifests.errors import IncompleteRun, IntegrityProblem, RankgenError, UsageError
from rankgen.manifests.publishing import compact
from rankgen.manifests.publishing import publish as publish_module
from rankgen.manifests.publishing.check import check_published
from rankgen.manifests.publishing.compact import row_groups
from rankgen.manifests.publishing.publish import Publication, Published
from rankgen.manifests.publishing.scores import SCORES
from rankgen.manifests.publishing.settings import PublishSettings
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.schema import RANKINGS, TABLES
from rankgen.manifests.teacher_scores import TeacherScores

QUERIES = 30


@pytest.fixture(scope="module")
def candidates(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return write_candidates(tmp_path_factory.mktemp("runs") / "candidates", QUERIES)


@pytest.fixture(scope="module")
def labels(candidates: RunDirectory) -> RunDirectory:
    return write_labels(candidates.root.with_name("labels"), candidates)


def publish(run: RunDirectory, to: Path, **more: object) -> Published:
    return Publication(run, PublishSettings.model_validate({"to": str(to), **more})).publish()


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


WITH_TEXT = {"with_text": True, "licence": "CC-BY-4.0"}


def test_a_published_run_reads_back_as_the_same_rows(labels: RunDirectory, tmp_path: Path) -> None:
    done = publish(labels, tmp_path / "out", file_mb=0.01, **WITH_TEXT)
    back = RunDirectory(tmp_path / "out")
    for table in ("rankings", "windows", "queries", "documents"):
        assert back.read(table).equals(labels.read(table)), table
    assert len(back.shard_paths("rankings")) == 2
    assert set(done.files) == set(contents(tmp_path / "out"))
    assert done.files["README.md"] == len((tmp_path / "out" / "README.md").read_bytes())
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_files_are_as_large_as_asked_and_hold_about_equally_many_rows(
    labels: RunDirectory, tmp_path: Path
) -> None:
    publish(labels, tmp_path / "out", file_mb=0.004)
    paths = sorted((tmp_path / "out" / "rankings").iterdir())
    sizes = [path.stat().st_size for path in labels.shard_paths("rankings")]
    assert len(paths) == -(-sum(sizes) // 4000)
    assert paths[0].name == f"train-00000-of-{len(paths):05d}.parquet"
    rows = [pq.read_metadata(path).num_rows for path in paths]
    assert sum(rows) == QUERIES
    assert max(rows) - min(rows) <= 1


def test_files_are_written_as_the_hub_wants_them(labels: RunDirectory, tmp_path: Path) -> None:
    publish(labels, tmp_path / "out")
    metadata = pq.read_metadata(tmp_path / "out" / "rankings" / "train-00000-of-00001.parquet")
    column = metadata.row_group(0).column(0)
    assert column.compression == "ZSTD"
    assert column.has_offset_index
    assert metadata.metadata[b"rankgen.table"] == b"rankings"
    assert metadata.num_row_groups == 1


def test_row_groups_stay_below_both_limits() -> None:
    texts = pa.table({"text": ["x" * 1000] * 50 + ["y"] * 500})
    parts = [texts.slice(start, 55) for start in range(0, texts.num_rows, 55)]
    groups = list(row_groups(parts, 100, 10_000))
    assert pa.concat_tables(groups).combine_chunks().equals(texts)
    assert [group.num_rows for group in groups[-4:-1]] == [100, 100, 100]
    # One piece is cut by the mean of its rows, so a group may go over by less than one part.
    assert all(group.nbytes < 2 * 10_000 for group in groups)
    assert len(groups[0]) < 20
    (huge,) = row_groups([pa.table({"text": ["z" * 50_000]})], 100, 10_000)
    assert huge.num_rows == 1
    assert list(row_groups([texts.slice(0, 0)], 100, 10_000)) == []


def test_the_writer_cuts_at_the_limit_of_bytes(
    labels: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compact, "ROW_GROUP_BYTES", 2_000)
    publish(labels, tmp_path / "out")
    path = tmp_path / "out" / "rankings" / "train-00000-of-00001.parquet"
    assert pq.read_metadata(path).num_row_groups > 2
    assert pq.read_table(path).num_rows == QUERIES


def test_equal_runs_give_equal_bytes_wherever_they_stand(
    candidates: RunDirectory, labels: RunDirectory, tmp_path: Path
) -> None:
    publish(labels, tmp_path / "a" / "out", file_mb=0.01, **WITH_TEXT)
    # Another folder, made by the same commands.
    again = write_labels(tmp_path / "elsewhere", candidates)
    publish(again, tmp_path / "b" / "out", file_mb=0.01, **WITH_TEXT)
    assert contents(tmp_path / "a" / "out") == contents(tmp_path / "b" / "out")


def test_texts_stay_home_unless_they_are_asked_for(labels: RunDirectory, tmp_path: Path) -> None:
    publish(labels, tmp_path / "out")
    names = contents(tmp_path / "out")
    assert not any(name.startswith(("queries/", "documents/")) for name in names)
    windows = RunDirectory(tmp_path / "out").read("windows")
    # A teacher's answer may repeat what it was shown.
    assert windows["output_text"].null_count == windows.num_rows
    assert windows.drop(["output_text"]).equals(labels.read("windows").drop(["output_text"]))
    everything = b"".join(pa.py_buffer(content).to_pybytes() for content in names.values())
    assert b"what is q0009?" not in everything
    assert b"about q0009" not in everything
    with pytest.raises(UsageError, match="published without its queries"):
        RunDirectory(tmp_path / "out").texts("queries")


def test_scores_have_the_columns_of_the_public_form(labels: RunDirectory, tmp_path: Path) -> None:
    publish(labels, tmp_path / "out")
    (path,) = (tmp_path / "out" / "scores").iterdir()
    table = pq.read_table(path)
    assert table.schema.equals(SCORES)
    rankings = {row["query_id"]: row for row in labels.read("rankings").to_pylist()}
    scored = [q for q, row in rankings.items() if row["teacher_scores"] is not None]
    assert table["query_id"].to_pylist() == scored
    assert 0 < len(scored) < QUERIES
    last = queries_of(QUERIES)[-1].query_id
    for row in table.to_pylist():
        query_id = row["query_id"]
        assert row["document_ids"] == rankings[query_id]["doc_ids"]
        assert row["scores"] == rankings[query_id]["teacher_scores"]
        # A query that is not judged is not one with nothing relevant.
        is_judged = query_id != last and " " not in query_id
        assert row["positive_ids"] == ([f"{query_id}/d1"] if is_judged else None)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["predicate"]["teacher_scores"] == {"unit": "logit", "source": "minilm"}
    assert manifest["predicate"]["rows"]["scores"] == len(scored)


def test_a_teacher_of_orders_alone_has_no_scores(candidates: RunDirectory, tmp_path: Path) -> None:
    run = write_labels(tmp_path / "run", candidates, scores=None)
    publish(run, tmp_path / "out")
    assert not (tmp_path / "out" / "scores").exists()
    assert "`scores`" not in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((1.0, float("nan"), 0.0, 0.0), "the score at rank 2 is nan"),
        ((1.0, 0.5, 0.0, float("-inf")), "the score at rank 4 is -inf"),
        ((1.0, 0.5, None, 0.0), "the score at rank 3 is missing"),
        ((1.0, 0.5, 0.0), "3 scores for 4 documents"),
    ],
)
def test_a_score_that_is_none_is_named_with_its_row(
    candidates: RunDirectory, tmp_path: Path, given: tuple[float | None, ...], said: str
) -> None:
    run = write_labels(tmp_path / "run", candidates, shards=1, given=given)
    with pytest.raises(IntegrityProblem, match=f"train-00000-of-00001.parquet row 2: {said}"):
        publish(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_half_finished_run_is_refused_unless_a_part_is_wanted(
    candidates: RunDirectory, tmp_path: Path
) -> None:
    run = write_labels(tmp_path / "run", candidates, committed=2)
    with pytest.raises(IncompleteRun, match=r"not finished \(2 of 3 shards") as refused:
        publish(run, tmp_path / "out")
    assert "--partial" in (refused.value.hint or "")
    publish(run, tmp_path / "out", partial=True)
    assert RunDirectory(tmp_path / "out").read("rankings").equals(run.read("rankings"))
    card = (tmp_path / "out" / "README.md").read_text()
    assert "**This is a part.** 2 of 3 shards" in card
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["predicate"]["is_partial"]
    with pytest.raises(UsageError, match="has no queries to publish"):
        publish(run, tmp_path / "more", partial=True, **WITH_TEXT)
    empty = write_labels(tmp_path / "empty", candidates, committed=0)
    with pytest.raises(IncompleteRun, match="0 of 3 shards"):
        publish(empty, tmp_path / "none", partial=True)


def test_failed_queries_are_on_the_card_and_in_the_manifest(
    candidates: RunDirectory, tmp_path: Path
) -> None:
    run = write_labels(tmp_path / "run", candidates, failed=["007", "日本"])
    publish(run, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"**2 of {QUERIES} planned queries are not in it**" in card
    predicate = json.loads((tmp_path / "out" / "manifest.json").read_text())["predicate"]
    assert set(predicate["quarantined"]) == {"007", "日本"}
    assert predicate["published_queries"] == QUERIES - 2
    every = [query.query_id for query in queries_of(QUERIES)]
    none = write_labels(tmp_path / "none", candidates, failed=every)
    with pytest.raises(UsageError, match=r"every query of .* failed, so there is nothing"):
        publish(none, tmp_path / "nothing")


def damaged(run: RunDirectory, name: str, how: str) -> None:
    path = run.root / name
    content = path.read_bytes()
    if how == "lost":
        path.unlink()
    else:
        path.write_bytes(content + b"x" if how == "longer" else content[:-9] + b"x" + content[-8:])


@pytest.mark.parametrize("how", ["lost", "longer", "other bytes"])
def test_a_run_whose_files_are_not_those_committed_is_refused(
    candidates: RunDirectory, tmp_path: Path, how: str
) -> None:
    run = write_labels(tmp_path / "run", candidates)
    damaged(run, "rankings/train-00001-of-00003.parquet", how)
    if how != "other bytes":
        # Sizes are compared before anything is written, also for a dry run.
        with pytest.raises(IntegrityProblem, match=r"but \d+ bytes of it were committed"):
            Publication(run, PublishSettings(to=str(tmp_path / "out")))
    with pytest.raises(IntegrityProblem, match=r"rankings/train-00001-of-00003\.parquet"):
        publish(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_changed_text_is_refused_too(candidates: RunDirectory, tmp_path: Path) -> None:
    run = write_labels(tmp_path / "run", candidates)
    name = "documents/train-00000-of-00001.parquet"
    content = (run.root / name).read_bytes()
    # The file is shared with the candidates by a hard link, so it is replaced and not written to.
    (run.root / name).unlink()
    (run.root / name).write_bytes(content.replace(b"about", b"ABOUT"))
    with pytest.raises(IntegrityProblem, match=r"documents/train-00000-of-00001\.parquet"):
        publish(run, tmp_path / "out", **WITH_TEXT)


def test_texts_need_the_licence_of_their_collection(
    candidates: RunDirectory, labels: RunDirectory, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="texts of made-up cannot be published without"):
        publish(labels, tmp_path / "out", with_text=True)
    ours = write_candidates(tmp_path / "ms", 3, "irds:msmarco-passage/train/judged")
    with pytest.raises(UsageError, match="Microsoft's, for non-commercial research only") as error:
        publish(ours, tmp_path / "out", with_text=True)
    assert "--licence" in (error.value.hint or "")
    with pytest.raises(UsageError, match="licence is empty"):
        publish(ours, tmp_path / "out", with_text=True, licence="  ")
    publish(ours, tmp_path / "out", with_text=True, licence="MS MARCO, non-commercial only")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "license: other\n" in card
    assert "\nMS MARCO, non-commercial only" in card


def test_the_same_command_again_changes_nothing(
    labels: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(labels, tmp_path / "out")
    before = contents(tmp_path / "out")
    monkeypatch.setattr(publish_module, "write_compacted", None)
    assert publish(labels, tmp_path / "out").was_there
    assert contents(tmp_path / "out") == before


def test_a_killed_command_goes_on_with_the_files_it_had(
    labels: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(labels, tmp_path / "whole", file_mb=0.005)
    real, made = publish_module.write_compacted, []

    def write(draft: Path, *rest: object) -> int:
        made.append(draft)
        if len(made) == 3:
            draft.write_bytes(b"half")
            raise KeyboardInterrupt
        return real(draft, *rest)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(publish_module, "write_compacted", write)
    place = tmp_path / "again" / "whole"
    with pytest.raises(KeyboardInterrupt):
        publish(labels, place, file_mb=0.005)
    assert not place.exists()
    publish(labels, place, file_mb=0.005)
    assert contents(place) == contents(tmp_path / "whole")
    data = [name for name in contents(place) if name.endswith(".parquet")]
    # One of the files was begun twice, and the two before it only once.
    assert len(made) == len(data) + 1
    assert [path.name for path in place.parent.iterdir()] == ["whole"]


def test_a_new_publication_replaces_an_old_one_whole(labels: RunDirectory, tmp_path: Path) -> None:
    publish(labels, tmp_path / "out", file_mb=0.002)
    many = set(contents(tmp_path / "out"))
    assert publish(labels, tmp_path / "out", **WITH_TEXT).replaces
    assert not publish(labels, tmp_path / "fresh" / "out", **WITH_TEXT).replaces
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh" / "out")
    assert many - set(contents(tmp_path / "out"))


def test_what_is_in_the_way_is_left_alone(labels: RunDirectory, tmp_path: Path) -> None:
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter").write_text("mine")
    with pytest.raises(UsageError, match="holds something else"):
        publish(labels, folder)
    with pytest.raises(UsageError, match="is a file"):
        publish(labels, folder / "chapter")
    assert contents(folder) == {"chapter": b"mine"}
    for inside in (labels.root, labels.root / "published", labels.root.parent):
        with pytest.raises(UsageError, match="lie in one another"):
            publish(labels, inside)
    with pytest.raises(UsageError, match="not a run of rankgen"):
        publish(RunDirectory(folder), tmp_path / "out")
    publish(labels, tmp_path / "out")
    with pytest.raises(UsageError, match="is a published data set, not a run"):
        publish(RunDirectory(tmp_path / "out"), tmp_path / "out2")
    for more in ({"private": True}, {"revision": "v1"}):
        with pytest.raises(UsageError, match="--private and --revision"):
            publish(labels, tmp_path / "out3", **more)


def test_a_dry_run_says_what_there_would_be_and_writes_nothing(
    labels: RunDirectory, tmp_path: Path
) -> None:
    settings = PublishSettings(to=str(tmp_path / "out"), file_mb=0.005)
    publication = Publication(labels, settings)
    planned = publication.planned().files
    assert list(tmp_path.iterdir()) == []
    done = publication.publish()
    assert set(planned) == {name for name in done.files if name.endswith(".parquet")}
    assert publication.card == (tmp_path / "out" / "README.md").read_text()
    # A few rows compress worse in one file than in three, or better; orders of magnitude agree.
    for name, size in planned.items():
        assert size / 5 < done.files[name] < size * 5


def test_the_checksums_are_those_that_sha256sum_reads(labels: RunDirectory, tmp_path: Path) -> None:
    publish(labels, tmp_path / "out", **WITH_TEXT)
    names = set(contents(tmp_path / "out"))
    lines = (tmp_path / "out" / "SHA256SUMS").read_text().splitlines()
    assert {line[66:] for line in lines} == names - {"SHA256SUMS"}
    if shutil.which("sha256sum"):
        subprocess.run(
            ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path / "out", check=True
        )


def test_a_published_folder_can_be_verified(labels: RunDirectory, tmp_path: Path) -> None:
    publish(labels, tmp_path / "out")
    run = RunDirectory(tmp_path / "out")
    assert check_published(run, reads_rows=True).problems == ()
    (run.root / "rankings" / "train-00000-of-00002.parquet").write_bytes(b"")
    (foreign,) = check_published(run).problems
    assert "was not published with the others" in foreign
    path = run.root / "windows" / "train-00000-of-00001.parquet"
    content = path.read_bytes()
    path.write_bytes(content + b"x")
    assert any("windows" in p and "has changed" in p for p in check_published(run).problems)
    path.unlink()
    assert any("windows" in p and "is missing" in p for p in check_published(run).problems)
    for line in ("", "nothing", f"{'0' * 64}  ../../etc/passwd", f"{'0' * 64}  /etc/passwd"):
        (run.root / "SHA256SUMS").write_text(f"{line}\n")
        with pytest.raises(IntegrityProblem, match="SHA256SUMS is damaged"):
            check_published(run)


def test_every_column_of_every_table_has_a_meaning() -> None:
    schemas = {**TABLES, "scores": SCORES}
    assert {name: set(schema.names) for name, schema in schemas.items()} == {
        name: set(columns) for name, columns in COLUMN_MEANINGS.items()
    }


def test_a_run_of_an_earlier_schema_is_published_in_this_one(
    candidates: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = pa.schema([field for field in RANKINGS if field.name != "teacher_scores"])
    with monkeypatch.context() as patch:
        patch.setitem(TABLES, "rankings", old)
        patch.setattr("made_runs.RANKINGS", old)
        run = write_labels(tmp_path / "run", candidates, scores=None)
    publish(run, tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "rankings")
    assert table.schema.equals(RANKINGS)
    assert table["teacher_scores"].null_count == QUERIES


def test_candidates_can_be_published_too(candidates: RunDirectory, tmp_path: Path) -> None:
    publish(candidates, tmp_path / "out", **WITH_TEXT)
    back = RunDirectory(tmp_path / "out")
    assert list(back.candidates()) == list(candidates.candidates())
    assert "default: true" in (tmp_path / "out" / "README.md").read_text().split("candidates/")[1]


def test_nothing_of_this_machine_goes_out(
    candidates: RunDirectory, labels: RunDirectory, tmp_path: Path
) -> None:
    scores = TeacherScores(unit="run score", source=str(tmp_path / "private" / "run.trec"))
    run = write_labels(tmp_path / "run", candidates, scores=scores)
    publish(run, tmp_path / "out")
    for name in ("README.md", "manifest.json", "croissant.json"):
        text = (tmp_path / "out" / name).read_text()
        assert str(tmp_path) not in text
        assert "10.0.0.7" not in text
    assert "run.trec" in (tmp_path / "out" / "README.md").read_text()
    assert LOGITS.source in json.dumps(json.loads(labels.manifest.read_text()))


def test_every_refusal_says_what_to_type(labels: RunDirectory, tmp_path: Path) -> None:
    for bad in ("hf:name", "hf:a/b/c", "hf:a/b@v1", "gs://bucket/x", "s3://", "hf:/x"):
        with pytest.raises(RankgenError) as error:
            Publication(labels, PublishSettings(to=bad))
        assert error.value.hint
    with pytest.raises(UsageError, match=r"citation .*none.bib cannot be read"):
        publish(labels, tmp_path / "out", citation=tmp_path / "none.bib")
