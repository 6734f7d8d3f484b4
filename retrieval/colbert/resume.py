"""Resumes a killed build of a PLAID index from its codec and its whole chunks.

colbert-ai can resume a half-built index, but takes any existing file for a whole one. Here a chunk
counts only if it was marked, which is done once its files are on disk.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rankgen.manifests.storage.atomic import fsync_file, write_whole

_CODEC_MARK = "codec.whole"
_CHUNK_MARK = ".chunk.whole"


def mark_what_is_saved(saver: Any) -> None:
    """Makes colbert-ai's `IndexSaver` mark its codec and each chunk once they are on disk."""
    save_codec, write_chunk = saver.save_codec, saver._write_chunk_to_disk

    def codec_saved(self: Any, codec: Any) -> None:
        save_codec(self, codec)
        index = Path(self.config.index_path_)
        _mark(index / _CODEC_MARK, [path for path in index.iterdir() if path.is_file()])

    def chunk_saved(self: Any, chunk: int, *parts: Any) -> None:
        write_chunk(self, chunk, *parts)
        index = Path(self.config.index_path_)
        _mark(index / f"{chunk}{_CHUNK_MARK}", list(_files_of(index, chunk)))

    saver.save_codec, saver._write_chunk_to_disk = codec_saved, chunk_saved


def keep_only_whole(index: Path) -> None:
    """Removes from a half-built index everything that colbert-ai cannot resume from.

    The codec, the result of the clustering, is kept with the whole chunks; without a whole codec
    nothing is kept.
    """
    if not _is_whole(index / _CODEC_MARK):
        shutil.rmtree(index, ignore_errors=True)
        return
    for metadata in index.glob("[0-9]*.metadata.json"):
        chunk = int(metadata.name.partition(".")[0])
        # The last step rewrites the metadata in place, so its size is not in the mark.
        if _is_whole(index / f"{chunk}{_CHUNK_MARK}") and _is_json(metadata):
            continue
        (index / f"{chunk}{_CHUNK_MARK}").unlink(missing_ok=True)
        metadata.unlink()


def remove_marks(index: Path) -> None:
    """Removes the marks from a finished index, so that it is as colbert-ai makes it."""
    for mark in index.glob("*.whole"):
        mark.unlink()


def _files_of(index: Path, chunk: int) -> Iterator[Path]:
    """Yields a chunk's files, except its metadata."""
    yield index / f"{chunk}.codes.pt"
    yield index / f"{chunk}.residuals.pt"
    yield index / f"doclens.{chunk}.json"


def _mark(mark: Path, files: list[Path]) -> None:
    for path in files:
        fsync_file(path)
    sizes = {path.name: path.stat().st_size for path in files}
    write_whole(mark, json.dumps(sizes).encode())


def _is_whole(mark: Path) -> bool:
    try:
        sizes: dict[str, int] = json.loads(mark.read_text(encoding="utf-8"))
        return all(mark.with_name(name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True
