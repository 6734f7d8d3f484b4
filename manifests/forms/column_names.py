"""The names that columns of shared rankings have in the wild, by what they hold."""

from __future__ import annotations

QUERY_IDS = ("query_id", "qid", "query-id", "queryid", "q_id", "topic_id")
DOC_IDS = (
    *("doc_id", "docno", "docid", "document_id", "passage_id", "pid", "did", "corpus_id"),
    *("corpus-id", "doc-id"),
)
SCORES = ("score", "label", "ce-score", "relevance", "similarity", "logit")
RANKS = ("rank",)
QUERY_TEXTS = ("query", "query_text", "question")
DOC_TEXTS = ("document", "passage", "text", "doc", "doc_text", "passage_text", "contents")
# Lists, best first unless there are scores.
LIST_DOC_IDS = ("doc_ids", "document_ids", "docids", "passage_ids", "pids", "corpus_ids", "docnos")
LIST_SCORES = ("scores", "labels", "teacher_scores", "relevances")
# Files of texts beside the rankings.
TEXT_QUERY_IDS = (*QUERY_IDS, "_id", "id")
TEXT_DOC_IDS = (*DOC_IDS, "_id", "id")
TEXT_QUERIES = ("query", "text", "query_text", "question")
TEXT_DOCUMENTS = (*DOC_TEXTS, "body", "content", "segment")
TITLES = ("title",)
