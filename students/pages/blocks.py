"""Data as a page holds it: blocks of gzipped JSON in base64, in the page or as scripts beside it.

A page that is opened as a file can load no other file but scripts, so a block beside the page is a
script that hands its text over. No block can end a script or hold markup: base64 has no such signs.
"""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

from rankgen.manifests.storage.atomic import remove_tree, write_whole
from rankgen.manifests.storage.digest import sha256_of_bytes

# A page of this size still opens at once; with more data the blocks lie beside it.
MOST_EMBEDDED_BYTES = 24 * 2**20
FOLDER = "report-data"


def packed(value: object) -> str:
    """Returns a JSON value as base64 of gzip; the same value always gives the same text."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()


def script(name: str, text: str) -> bytes:
    """Returns the script that hands the block `name` to the page."""
    return f'rankgenBlock("{name}","{text}")\n'.encode()


class Blocks:
    """The blocks of one page: embedded while they are few, else files beside it.

    A file's name has a digest of its content, so that a page is never shown with another's data.

    Args:
        out: The folder of the page.
        most_embedded: Bytes of blocks that the page itself may hold.

    Attributes:
        embedded: Block texts by name; empty where they lie beside the page.
        beside: Their addresses relative to the page, by name; empty where they are embedded.
    """

    def __init__(self, out: Path, most_embedded: int = MOST_EMBEDDED_BYTES) -> None:
        self._out, self._most, self._bytes = out, most_embedded, 0
        self.embedded: dict[str, str] = {}
        self.beside: dict[str, str] = {}

    def add(self, name: str, value: object) -> None:
        """Adds a block; `name` is made of letters and digits."""
        text = packed(value)
        self._bytes += len(text)
        if self._bytes <= self._most:
            self.embedded[name] = text
            return
        for earlier, held in [*self.embedded.items(), (name, text)]:
            self._write(earlier, held)
        self.embedded.clear()

    def drop_others(self) -> None:
        """Removes the files of earlier pages; called once the new page is written."""
        kept = {Path(address).name for address in self.beside.values()}
        folder = self._out / FOLDER
        if not kept:
            remove_tree(folder)
        for path in folder.glob("*.js") if kept else ():
            if path.name not in kept:
                remove_tree(path)

    def _write(self, name: str, text: str) -> None:
        content = script(name, text)
        address = f"{FOLDER}/{name}.{sha256_of_bytes(content)[:12]}.js"
        write_whole(self._out / address, content)
        self.beside[name] = address
