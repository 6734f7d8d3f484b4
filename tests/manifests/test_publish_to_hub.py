"""A data set goes to the Hub and comes back, over HTTP as `huggingface_hub` speaks it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_stand_in import StandIn, hub_stand_in, taken_for_the_hub
from made_runs import write_candidates, write_labels

from rankgen.manifests.errors import EnvironmentProblem, UsageError
from rankgen.manifests.publishing import publish as publish_module
from rankgen.manifests.publishing.check import check_published
from rankgen.manifests.publishing.publish import Publication, Published
from rankgen.manifests.publishing.settings import PublishSettings
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.hub_runs import hub_folder, pinned_hub

NAME = "somebody/rankings"
TO = f"hf:{NAME}"
SMALL = {"file_mb": 0.005, "with_text": True, "licence": "CC-BY-4.0"}


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    root = tmp_path_factory.mktemp("runs")
    return write_labels(root / "labels", write_candidates(root / "candidates", 30))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with hub_stand_in() as served:
        taken_for_the_hub(served, monkeypatch, tmp_path / "hub-cache")
        yield served


def publish(run: RunDirectory, **more: object) -> Published:
    return Publication(run, PublishSettings.model_validate({"to": TO, **more})).publish()


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_what_comes_back_by_commit_is_what_was_published(
    hub: StandIn, labels: RunDirectory, tmp_path: Path
) -> None:
    done = publish(labels, **SMALL)
    assert done.where.startswith(f"{TO} (http")
    folder = tmp_path / "rankings"
    Publication(labels, PublishSettings.model_validate({"to": str(folder), **SMALL})).publish()
    there, here = hub.files(NAME), contents(folder)
    data = {name for name in here if name.endswith(".parquet")}
    assert len(data) > 5
    assert {name: there[name] for name in data} == {name: here[name] for name in data}
    # The Hub makes Croissant of its own, and cards name their own place.
    assert there.keys() - here.keys() == {".gitattributes"}
    assert here.keys() - there.keys() == {"croissant.json"}
    commit = hub.repositories[NAME].branches["main"]
    run = RunDirectory(f"{TO}@{commit}")
    fetched = contents(run.root)
    assert fetched == {name: content for name, content in there.items() if name[0] != "."}
    assert check_published(run, reads_rows=True).problems == ()
    for table in ("rankings", "windows", "queries", "documents"):
        assert run.read(table).equals(labels.read(table))


def test_one_commit_makes_everything_visible(hub: StandIn, labels: RunDirectory) -> None:
    publish(labels, **SMALL)
    sizes = [len(tree) for tree in hub.repositories[NAME].commits.values()]
    assert sizes == [1, sizes[-1]]


def test_a_cut_connection_costs_the_file_under_way_and_no_other(
    hub: StandIn, labels: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, made = publish_module.write_compacted, []

    def write(draft: Path, *rest: object) -> int:
        made.append(draft.name)
        return real(draft, *rest)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(publish_module, "write_compacted", write)
    hub.cut_after = 3
    with pytest.raises(EnvironmentProblem, match=f"{TO} cannot be published") as error:
        publish(labels, **SMALL)
    assert "repeat the command" in (error.value.hint or "")
    assert len(hub.stored) == 3
    # Each file is sent when it is written, and not after hours of writing others.
    assert len(made) == 4
    assert set(hub.files(NAME)) == {".gitattributes"}
    hub.cut_after, hub.is_down = None, False
    publish(labels, **SMALL)
    files = {name: body for name, body in hub.files(NAME).items() if name.endswith(".parquet")}
    assert set(hub.stored.values()) == set(files.values())
    assert set(hub.sent.values()) == {1}
    assert check_published(RunDirectory(TO)).problems == ()


def test_the_same_data_set_again_is_no_new_commit(hub: StandIn, labels: RunDirectory) -> None:
    publish(labels)
    commits = len(hub.repositories[NAME].commits)
    assert publish(labels).was_there
    assert len(hub.repositories[NAME].commits) == commits


def test_files_of_an_earlier_publication_go_and_its_commit_stays(
    hub: StandIn, labels: RunDirectory
) -> None:
    publish(labels, **SMALL)
    first = hub.repositories[NAME].branches["main"]
    publish(labels)
    names = set(hub.files(NAME))
    assert not any(name.startswith("documents/") for name in names)
    assert sum(name.startswith("rankings/") for name in names) == 1
    pinned = pinned_hub(Path(TO), held=f"{TO}@{first}")
    assert pinned == Path(f"{TO}@{first}")
    assert RunDirectory(pinned).read("documents").equals(labels.read("documents"))
    assert pinned_hub(Path(TO)) == Path(f"{TO}@{hub.repositories[NAME].branches['main']}")
    assert pinned_hub(Path("a/folder"), held="anything") == Path("a/folder")


def test_private_repositories_and_branches(
    hub: StandIn, labels: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(labels, private=True, revision="v1")
    assert hub.repositories[NAME].is_private
    assert set(hub.files(NAME)) == {".gitattributes"}
    assert "rankings/train-00000-of-00001.parquet" in hub.files(NAME, "v1")
    assert b'RunDirectory("hf:somebody/rankings@v1")' in hub.files(NAME, "v1")["README.md"]
    assert RunDirectory(f"{TO}@v1").read("rankings").num_rows == 30
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "/nowhere")
    with pytest.raises(UsageError, match="none of that name, or does not show it to you") as error:
        hub_folder(f"{TO}@main")
    assert "HF_TOKEN" in (error.value.hint or "")


def test_a_token_that_may_not_write_is_one_sentence(
    hub: StandIn, labels: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_stranger")
    with pytest.raises((EnvironmentProblem, UsageError), match="cannot be published") as error:
        publish(labels)
    assert "HF_TOKEN" in (error.value.hint or "")
    assert not hub.repositories
    assert "hf_of_a_stranger" not in str(error.value)


def test_a_repository_of_something_else_is_left_alone(hub: StandIn, labels: RunDirectory) -> None:
    publish(labels)
    tree = {"README.md": b"my thesis", "data/train.parquet": b"x"}
    hub.repositories[NAME].commit("main", tree)
    with pytest.raises(UsageError, match="holds something else"):
        publish(labels)
    assert hub.files(NAME) == tree
    with pytest.raises(UsageError, match="is not a data set that rankgen published"):
        RunDirectory(TO)
    assert hub.fetched["data/train.parquet"] == 0


def test_a_data_set_that_is_not_there_is_one_sentence(hub: StandIn, labels: RunDirectory) -> None:
    with pytest.raises(UsageError, match="data set hf:some/other cannot be downloaded"):
        RunDirectory("hf:some/other")
    with pytest.raises(UsageError, match="hf:a b/c cannot be downloaded"):
        RunDirectory("hf:a b/c")
    publish(labels)
    with pytest.raises(UsageError, match="no such revision"):
        RunDirectory(f"{TO}@v9")
    with pytest.raises(UsageError, match=f"^{TO}@main has no texts") as error:
        RunDirectory(f"{TO}@main").texts("queries")
    assert f"rankgen import lists {TO}@main:rankings --collection" in (error.value.hint or "")
    with pytest.raises(UsageError, match=f"^{TO} has no candidates"):
        list(RunDirectory(TO).candidates())


def test_without_a_network_the_last_download_is_used(
    hub: StandIn, labels: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(labels)
    commit = RunDirectory(TO).root.name
    # Nobody listens there.
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    assert RunDirectory(TO).root.name == commit
    assert RunDirectory(f"{TO}@{commit}").has_table("rankings")
    with pytest.raises(EnvironmentProblem, match="hf:some/other cannot be downloaded"):
        RunDirectory("hf:some/other")


def test_the_card_s_code_runs_where_the_hub_is_all_there_is(
    hub: StandIn, labels: RunDirectory, tmp_path: Path
) -> None:
    publish(labels)
    card = hub.files(NAME)["README.md"].decode()
    pieces = re.findall(r"^[^\n]+:\n\n```python\n(.*?)```", card, re.MULTILINE | re.DOTALL)
    assert len(pieces) == 7
    script = "".join(
        f"{code}\nif 'rankings' in globals(): seen.append(len(rankings)); del rankings\n"
        for code in pieces
    )
    code = f"import json\nseen = []\n{script}\nprint(json.dumps(seen))"
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_OFFLINE": "0",
        "HF_DATASETS_OFFLINE": "0",
        "NO_PROXY": "127.0.0.1",
    }
    environment.pop("HF_HUB_CACHE", None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [30] * 6
