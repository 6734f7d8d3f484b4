"""The table of a query's documents, which its lists and calls name by place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from rankgen.students.pages.passages import Passages


class PassageView(TypedDict):
    """A document; `text` is None where no run has it, `grade` where it is not judged."""

    doc_id: str
    title: str
    text: str | None
    grade: int | None


class Documents:
    """The table of a query's documents, filled as lists name them.

    Args:
        passages: Where their texts are.
        grades: Grade by document id; None where the query is not judged.
    """

    def __init__(self, passages: Passages, grades: Mapping[str, int] | None = None) -> None:
        self._passages, self._grades = passages, grades or {}
        self._place: dict[str, int] = {}
        self.views: list[PassageView] = []

    def places(self, doc_ids: Sequence[str]) -> list[int]:
        """Returns the places of documents in the table, adding those that are new."""
        return [self._placed(doc_id) for doc_id in doc_ids]

    def _placed(self, doc_id: str) -> int:
        place = self._place.get(doc_id)
        if place is None:
            place = self._place[doc_id] = len(self.views)
            found = self._passages.get(doc_id)
            self.views.append(
                PassageView(
                    doc_id=doc_id,
                    title=found.title if found else "",
                    text=found.text if found else None,
                    grade=self._grades.get(doc_id),
                )
            )
        return place
