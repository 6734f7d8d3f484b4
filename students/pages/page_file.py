"""Writes a page, and removes the data of the one that it replaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rankgen.manifests.storage.atomic import write_whole
from rankgen.students.pages.blocks import Blocks
from rankgen.students.pages.template import filled

PAGE = "report.html"


class Written(NamedTuple):
    """A page: the file to open, and how many files beside it and bytes it has."""

    page: Path
    files: int
    bytes: int


def write_page(
    template: str, out: Path, blocks: Blocks, names: Sequence[str], values: Mapping[str, object]
) -> Written:
    """Writes the page of blocks that were added; an earlier page stays until then.

    Args:
        template: Its template.
        out: Its folder.
        blocks: Its data.
        names: The runs or systems that its queries can be seen in.
        values: What else the template names, and the "measure" of the queries' gains.
    """
    data = {"runs": list(names), "beside": blocks.beside, "measure": values["measure"]}
    text = filled(template, {**values, "blocks": blocks.embedded, "page": data})
    # A file's name may hold bytes that are not UTF-8.
    content = text.encode("utf-8", "backslashreplace")
    write_whole(out / PAGE, content)
    blocks.drop_others()
    beside = [out / address for address in blocks.beside.values()]
    return Written(out / PAGE, len(beside), len(content) + sum(p.stat().st_size for p in beside))
