"""The page of a run whose queries are read from its Parquet files when they are looked at."""

from __future__ import annotations

from collections.abc import Sequence

from rankgen.manifests.progress import progress
from rankgen.students.pages.blocks import FOLDER, packed
from rankgen.students.pages.overview import notices_of
from rankgen.students.pages.quick_index import index_of
from rankgen.students.pages.single_queries import SingleQueries, single_view
from rankgen.students.pages.template import filled


class ServedPage:
    """The page, its index, and every query as a block of its own.

    Args:
        run: The run, as it is now; what is committed later is not on the page.

    Attributes:
        html: The page.
        queries: How many queries it has.
    """

    def __init__(self, run: SingleQueries) -> None:
        self._run = run
        with progress("read queries", None) as shown:
            index = index_of(run, shown.advance)
        self._ids = [row["id"] for row in index]
        self._index = packed(index)
        self.queries = len(index)
        names = ["index", *(f"q{place}" for place in range(len(index)))]
        values = {
            "title": run.name,
            "notices": list(notices_of(run)),
            "blocks": {},
            "page": {"runs": [run.name], "beside": _addresses(names)},
        }
        self.html = filled("browse.html.j2", values).encode("utf-8", "backslashreplace")

    def block(self, name: str) -> str | None:
        """Returns the block of this name, as `blocks.packed` makes it; None for an unknown one.

        Raises:
            RankgenError: The query's shard is damaged.
        """
        if name == "index":
            return self._index
        place = int(name[1:]) if name[:1] == "q" and name[1:].isdecimal() else len(self._ids)
        if place >= len(self._ids):
            return None
        return packed([single_view(self._run, self._ids[place])])


def _addresses(names: Sequence[str]) -> dict[str, str]:
    return {name: f"{FOLDER}/{name}.js" for name in names}
