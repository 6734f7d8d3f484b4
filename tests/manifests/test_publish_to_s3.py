"""A data set in a store: file by file, the manifest last, and nothing sent twice."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from made_runs import write_candidates, write_labels

from rankgen.manifests.errors import UsageError
from rankgen.manifests.publishing.check import check_published
from rankgen.manifests.publishing.publish import Publication, Published
from rankgen.manifests.publishing.settings import PublishSettings
from rankgen.manifests.publishing.targets import store
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.object_store import listed_objects, open_root, read_object

SMALL = {"file_mb": 0.005, "with_text": True, "licence": "CC-BY-4.0"}


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    root = tmp_path_factory.mktemp("runs")
    return write_labels(root / "labels", write_candidates(root / "candidates", 30))


def publish(run: RunDirectory, to: object, **more: object) -> Published:
    return Publication(run, PublishSettings.model_validate({"to": str(to), **more})).publish()


def contents(url: str) -> dict[str, bytes]:
    root = open_root(url)
    return {name: read_object(root / name) for name in listed_objects(root)}


def test_a_store_gets_the_files_that_a_folder_gets(
    labels: RunDirectory, s3_bucket: str, tmp_path: Path
) -> None:
    url = f"{s3_bucket}/sets/out"
    assert publish(labels, url, **SMALL).where == url
    publish(labels, tmp_path / "out", **SMALL)
    there = contents(url)
    files = (path for path in (tmp_path / "out").rglob("*") if path.is_file())
    here = {path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in files}
    assert there.keys() == here.keys()
    # The card, and with it the checksums, name their own place.
    differing = {name for name in here if here[name] != there[name]}
    assert differing <= {"README.md", "SHA256SUMS", "manifest.json"}
    card = there["README.md"].decode()
    assert f'RunDirectory("{url}").read("rankings")' in card
    assert f'fsspec.filesystem("s3").get("{url}/", "out/", recursive=True)' in card
    run = RunDirectory(url)
    assert check_published(run, reads_rows=True).problems == ()
    assert run.read("rankings").equals(labels.read("rankings"))
    assert publish(labels, url, **SMALL).was_there


def test_a_run_in_a_store_is_published_as_a_local_one(
    labels: RunDirectory, s3_bucket: str, tmp_path: Path
) -> None:
    store_of_runs = open_root(f"{s3_bucket}/runs/labels")
    store_of_runs.fs.put(f"{labels.root}/", f"{store_of_runs}/", recursive=True)  # type: ignore[attr-defined]  # a path of fsspec
    publish(RunDirectory(f"{s3_bucket}/runs/labels"), tmp_path / "a" / "out", **SMALL)
    publish(labels, tmp_path / "b" / "out", **SMALL)
    for path in (tmp_path / "a" / "out").rglob("*.parquet"):
        twin = tmp_path / "b" / path.relative_to(tmp_path / "a")
        assert path.read_bytes() == twin.read_bytes()


def test_an_interrupted_publication_sends_no_file_twice_and_has_no_manifest(
    labels: RunDirectory,
    s3_bucket: str,
    s3_requests: Counter[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = f"{s3_bucket}/sets/cut"
    real, sent = store.upload, []

    def upload(draft: Path, path: Path, **more: str) -> None:
        if len(sent) == 3:
            raise KeyboardInterrupt
        real(draft, path, **more)
        sent.append(path.name)

    monkeypatch.setattr(store, "upload", upload)
    with pytest.raises(KeyboardInterrupt):
        publish(labels, url, **SMALL)
    names = set(listed_objects(open_root(url)))
    assert "manifest.json" not in names
    assert sum(name.endswith(".parquet") for name in names) == 3
    monkeypatch.setattr(store, "upload", real)
    before = s3_requests["PUT"]
    publish(labels, url, **SMALL)
    files = contents(url)
    data = sum(name.endswith(".parquet") for name in files)
    small = len(files) - data
    # Begun, then the files that were missing, then the small ones.
    assert s3_requests["PUT"] - before == 1 + (data - 3) + small
    assert ".rankgen-publishing" not in files
    assert check_published(RunDirectory(url)).problems == ()


def test_the_manifest_is_written_last_and_old_files_go_after_it(
    labels: RunDirectory, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{s3_bucket}/sets/new"
    publish(labels, url, **SMALL)
    done: list[str] = []
    for name in ("upload", "write_object", "remove_objects"):
        real = getattr(store, name)

        def told(*given: Path, _real: Any = real, _name: str = name, **more: str) -> None:
            path = given[1] if _name == "upload" else given[0]
            done.append(f"{_name} {path.name}")
            _real(*given, **more)

        monkeypatch.setattr(store, name, told)
    publish(labels, url)
    last = done.index("write_object manifest.json")
    assert all("remove" in what for what in done[last + 1 :])
    assert done[last + 1 :]
    assert not any("remove" in what for what in done[:last])
    names = set(contents(url))
    assert not any(name.startswith("documents/") for name in names)
    assert check_published(RunDirectory(url)).problems == ()


def test_a_folder_of_something_else_is_left_alone(labels: RunDirectory, s3_bucket: str) -> None:
    root = open_root(f"{s3_bucket}/thesis")
    (root / "chapter").write_bytes(b"mine")
    with pytest.raises(UsageError, match="thesis holds something else"):
        publish(labels, f"{s3_bucket}/thesis")
    (root / "manifest.json").write_text(json.dumps({"name": "another program's"}))
    with pytest.raises(UsageError, match="thesis holds something else"):
        publish(labels, f"{s3_bucket}/thesis")
    assert set(contents(f"{s3_bucket}/thesis")) == {"chapter", "manifest.json"}


def test_the_card_s_code_runs_on_a_store(
    labels: RunDirectory, s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import re

    url = f"{s3_bucket}/sets/card"
    publish(labels, url)
    monkeypatch.chdir(tmp_path)
    card = contents(url)["README.md"].decode()
    pieces = re.findall(r"^([^\n]+):\n\n```python\n(.*?)```", card, re.MULTILINE | re.DOTALL)
    assert len(pieces) == 7
    for title, code in pieces:
        names: dict[str, Any] = {}
        exec(code, names)
        if "rankings" in names:
            assert len(names["rankings"]) == 30, title
    assert (tmp_path / "card" / "manifest.json").exists()
