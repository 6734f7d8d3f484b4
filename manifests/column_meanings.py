"""What each column means, in one sentence, for the cards of published data sets and for readers."""

from __future__ import annotations

# Column name -> meaning, by table; `scores` is made when a run is published (`publishing.scores`).
COLUMN_MEANINGS: dict[str, dict[str, str]] = {
    "candidates": {
        "query_id": "Id of the query, as the collection writes it; every query is one row.",
        "doc_ids": "Candidates in first-stage order, best first: rank = position + 1.",
        "retrieval_scores": "First-stage score of each document, aligned with `doc_ids`.",
        "candidates_sha256": "SHA-256 of the document ids in their order.",
    },
    "rankings": {
        "query_id": "Id of the query, as the collection writes it; every query is one row.",
        "doc_ids": (
            "The candidates in the teacher's order, best first: rank = position + 1; with those of "
            "`unranked`, all that the first stage found."
        ),
        "retrieval_positions": (
            "First-stage rank of each document, from 1, aligned with `doc_ids`; 0 for a relevant "
            "passage that was added to the list."
        ),
        "retrieval_scores": (
            "First-stage score of each document, aligned with `doc_ids`; 0.0 for an added one."
        ),
        "status": '"complete", or "degraded" when at least one window was repaired.',
        "windows": "Number of windows that led to this order.",
        "repaired_windows": "How many of their answers were repaired.",
        "prompt_tokens": "Prompt tokens of all calls for the query, failed ones included.",
        "output_tokens": "Output tokens of all calls for the query, failed ones included.",
        "candidates_sha256": "SHA-256 of the candidates' ids in first-stage order.",
        "teacher_scores": (
            "What the teacher thinks of each document, aligned with `doc_ids`, higher is better; "
            "null where it gave an order alone."
        ),
        "unranked": (
            "The candidates below the kept top of the list, in first-stage order: the teacher puts "
            "all of them below `doc_ids`, in an order that is not known. Null where all are "
            "ranked. Since schema 1.4."
        ),
        "chunks": (
            "Number, from 0, of the chunk of each document that the teacher was shown, aligned "
            "with `doc_ids`; null where documents were not read in chunks. Since schema 1.5."
        ),
    },
    "windows": {
        "query_id": "Id of the query; every call for it is one row, answered or failed.",
        "pass_index": "Which pass over the list, from 0.",
        "window_index": "Place of the window among those of its query, from 0.",
        "start": (
            "Where the span [start, end) of the query's current list begins; the smallest span "
            "that holds `shown` where that is not null."
        ),
        "end": "Where it ends.",
        "permutation": (
            "permutation[i] is the position within the span, before the call, of the passage now "
            "at i (the position within `shown` where that is not null); null where the call "
            "failed and so ordered nothing."
        ),
        "outcome": (
            '"ok", "repaired" or "truncated" say how a usable answer was read; "malformed" and '
            '"error" are failed calls.'
        ),
        "duplicates": "Passages that the answer named twice; 0 where the call failed.",
        "missing": "Passages that the answer left out; 0 where the call failed.",
        "out_of_range": "Numbers in the answer that no passage has; 0 where the call failed.",
        "prompt_tokens": "Prompt tokens of the call.",
        "output_tokens": "Output tokens of the call.",
        "output_text": 'The answer itself, kept only where the outcome is not "ok".',
        "attempt": "Number of the call for its window, from 1; null before schema 1.1.",
        "reason": "Why the call failed, in one line; null where it did not.",
        "cut": (
            "How many of the window's passages and the query were shortened to fit the context; "
            "null where the teacher has no prompt, or none could be written."
        ),
        "shown": (
            "Positions of the current list, from 0, of the passages shown, in the order shown, by "
            "a call that moved none of them by itself; null where the span was shown and ordered. "
            "Since schema 1.3."
        ),
        "reordered": (
            "What the strategy made of the whole list after the call: reordered[i] is the position "
            "before of the passage then at i; null where nothing else moved. Since schema 1.3."
        ),
        "asked": (
            "How many passages the teacher was to put first; those after them in `permutation` are "
            "in their old order, of which nothing is known. Null where it ordered all. Since "
            "schema 1.4."
        ),
    },
    "queries": {
        "query_id": "Id of the query, as the collection writes it.",
        "text": "Its text.",
    },
    "documents": {
        "doc_id": "Id of the document or passage, as the collection writes it.",
        "title": "Its title; empty where the collection has none.",
        "text": "Its text.",
    },
    "scores": {
        "query_id": "Id of the query, as the collection writes it; every query is one row.",
        "document_ids": "The scored documents in the teacher's order, best first.",
        "scores": "The teacher's score of each document, aligned with `document_ids`.",
        "positive_ids": (
            "Documents judged relevant, whether scored or not; null where the query is not judged "
            "or the judgements are unknown."
        ),
    },
}
