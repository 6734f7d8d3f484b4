"""What of a half-built PLAID index is kept for resuming; files only, without colbert-ai."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from rankgen.retrieval.colbert.resume import keep_only_whole, mark_what_is_saved, remove_marks


class Saver:
    """Writes files of the names that colbert-ai's `IndexSaver` writes."""

    def __init__(self, index: Path) -> None:
        self.config = SimpleNamespace(index_path_=str(index))

    def save_codec(self, codec: str) -> None:
        (Path(self.config.index_path_) / "centroids.pt").write_text(codec)

    def _write_chunk_to_disk(self, chunk: int, content: str) -> None:
        index = Path(self.config.index_path_)
        for name in (f"{chunk}.codes.pt", f"{chunk}.residuals.pt", f"doclens.{chunk}.json"):
            (index / name).write_text(content)
        (index / f"{chunk}.metadata.json").write_text('{"num_passages": 2}')


@pytest.fixture
def index(tmp_path: Path) -> Path:
    class Marked(Saver):
        pass

    mark_what_is_saved(Marked)
    saver = Marked(tmp_path / "plaid")
    (tmp_path / "plaid").mkdir()
    (tmp_path / "plaid" / "plan.json").write_text("{}")
    saver.save_codec("codec")
    for chunk in range(3):
        saver._write_chunk_to_disk(chunk, "content")
    return tmp_path / "plaid"


def chunks(index: Path) -> list[str]:
    return sorted(path.name.partition(".")[0] for path in index.glob("*.metadata.json"))


def test_whole_chunks_stay(index: Path) -> None:
    keep_only_whole(index)
    assert chunks(index) == ["0", "1", "2"]


@pytest.mark.parametrize("torn", ["1.codes.pt", "1.residuals.pt", "doclens.1.json"])
def test_a_chunk_with_a_torn_or_lost_file_goes(index: Path, torn: str) -> None:
    (index / torn).write_text("cont")
    keep_only_whole(index)
    assert chunks(index) == ["0", "2"]
    (index / "2.residuals.pt").unlink()
    keep_only_whole(index)
    assert chunks(index) == ["0"]


def test_a_chunk_without_mark_or_with_torn_metadata_goes(index: Path) -> None:
    (index / "0.chunk.whole").unlink()
    (index / "2.metadata.json").write_text('{"num_pass')
    keep_only_whole(index)
    assert chunks(index) == ["1"]


@pytest.mark.parametrize("lost", ["centroids.pt", "codec.whole", "plan.json"])
def test_without_a_whole_codec_or_plan_nothing_stays(index: Path, lost: str) -> None:
    (index / lost).unlink()
    keep_only_whole(index)
    assert not index.exists()


def test_a_finished_index_has_no_marks(index: Path) -> None:
    remove_marks(index)
    assert not list(index.glob("*.whole"))
    assert len(list(index.iterdir())) == 2 + 3 * 4
