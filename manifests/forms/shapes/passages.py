"""Passages as rows hold them: texts alone, or objects with an id, a title, a text and a score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.accounting import Tally
from rankgen.manifests.forms.fields import first_of, id_in, number_in, text_in
from rankgen.manifests.forms.text_ids import id_of_text
from rankgen.manifests.records import Document

PADDING = "<padding_passage>"
IDS = ("docid", "doc_id", "pid", "passage_id", "document_id", "_id", "id")
TEXTS = ("text", "contents", "passage", "document", "content", "body")
SCORES = ("score", "ce-score")


class Passage(NamedTuple):
    """A passage of a row.

    Attributes:
        document: With its text; None where the row has an id alone.
        score: None where the row has none.
    """

    doc_id: str
    document: Document | None
    score: float | None

    @property
    def is_padding(self) -> bool:
        """Whether it only fills a list up."""
        return self.document is not None and self.document.text == PADDING


def passage_in(where: str, value: object, tally: Tally) -> Passage:
    """Returns a passage; one without an id gets that of its text.

    Args:
        where: The file, the row and the column.
        value: A text, or an object with an id or a text or both.
        tally: Counts ids that were made.

    Raises:
        UsageError: It has neither an id nor a text, or one of them is not what it should be.
    """
    if isinstance(value, str):
        value = {"text": value}
    if not isinstance(value, Mapping):
        raise UsageError(
            f"{where}: a passage is neither a text nor an object but of type "
            f"{type(value).__name__}",
            'write passages as texts, or as {"docid": ..., "title": ..., "text": ...}',
        )
    id_name, text_name = first_of(value, IDS), first_of(value, TEXTS)
    title = text_in(where, value.get("title"), "title")
    text = text_in(where, value.get(text_name), "text") if text_name else ""
    if id_name is not None:
        doc_id = id_in(where, value[id_name], "document id")
    elif text or title:
        doc_id = id_of_text(f"{title} {text}" if title else text)
        tally.lose("doc_ids_from_texts")
    else:
        raise UsageError(
            f"{where}: a passage has neither an id nor a text",
            f"name its id {' or '.join(IDS[:2])}, and its text {' or '.join(TEXTS[:2])}",
        )
    score_name = first_of(value, SCORES)
    score = number_in(where, value[score_name], "score") if score_name else None
    has_text = text_name is not None
    return Passage(doc_id, Document(doc_id, title, text) if has_text else None, score)
