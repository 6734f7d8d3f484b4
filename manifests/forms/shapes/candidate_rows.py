"""Requests and results of rank_llm: `{query: {text, qid}, candidates: [{docid, score, doc}]}`.

Source: rank_llm 0.26, `rank_llm/data.py` (`Query`, `Candidate`, `read_requests_from_file`).
"""

from __future__ import annotations

from collections.abc import Mapping

from rankgen.manifests.counted import counted
from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms import column_names as known
from rankgen.manifests.forms.accounting import Tally
from rankgen.manifests.forms.fields import first_of, id_in, list_in, needed, number_in, text_in
from rankgen.manifests.forms.files.rows import Row
from rankgen.manifests.forms.shared_list import SharedList
from rankgen.manifests.forms.text_ids import id_of_text
from rankgen.manifests.records import Document


def holds_candidates(row: Mapping[str, object]) -> bool:
    """Tells whether a row has a query and a list of candidates."""
    return isinstance(row.get("candidates"), list) and row.get("query") is not None


def candidates_of(row: Row, tally: Tally) -> SharedList:
    """Returns the candidates in the order in which the row has them.

    Their scores are kept, even where they do not descend: rank_llm writes those of the first stage
    into its results.

    Raises:
        UsageError: The row has another form.
    """
    where = row.where
    query_id, query = _query_of(row, tally)
    doc_ids, scores, documents = [], [], []
    for number, candidate in enumerate(list_in(where, row.fields["candidates"], "candidates"), 1):
        at = f"{where}, candidate {number}"
        if not isinstance(candidate, dict):
            raise UsageError(f"{at} is not an object", "write docid, score and doc of each")
        column = needed(at, candidate, known.DOC_IDS, "document id")
        doc_id = id_in(at, candidate[column], column)
        doc_ids.append(doc_id)
        if candidate.get("score") is not None:
            scores.append(number_in(at, candidate["score"], "score"))
        if candidate.get("doc") is not None:
            documents.append(_document(at, doc_id, candidate["doc"]))
    if scores and len(scores) != len(doc_ids):
        raise UsageError(
            f"{where} has {counted(len(scores), 'score')} for {counted(len(doc_ids), 'candidate')}",
            "write a score for each candidate, or for none",
        )
    return SharedList(
        where,
        query_id,
        tuple(doc_ids),
        tuple(scores) if scores else None,
        query=query,
        documents=tuple(documents),
    )


def _query_of(row: Row, tally: Tally) -> tuple[str, str | None]:
    held = row.fields["query"]
    fields = held if isinstance(held, dict) else {**row.fields, "text": held}
    text = fields.get("text")
    query = None if text is None else text_in(row.where, text, "query")
    column = first_of(fields, known.QUERY_IDS)
    if column is not None:
        return id_in(row.where, fields[column], column), query
    if not query:
        raise UsageError(f"{row.where} has neither an id nor a text of its query", "write qid")
    tally.lose("query_ids_from_texts")
    return id_of_text(query), query


def _document(at: str, doc_id: str, held: object) -> Document:
    if isinstance(held, str):
        return Document(doc_id, "", text_in(at, held, "doc"))
    if not isinstance(held, dict):
        raise UsageError(f"{at}: its doc is neither a text nor an object", "write doc.text")
    column = first_of(held, ("text", "segment", "contents", "content", "body", "passage"))
    text = "" if column is None else text_in(at, held[column], column)
    return Document(doc_id, text_in(at, held.get("title"), "title"), text)
