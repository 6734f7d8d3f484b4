"""The configuration `scores`: teacher scores in the columns of lightonai's reranked data sets.

Public form: cross-encoder/lightonai-embeddings-fine-tuning-reranked-v1, whose ids are numbers; here
they stay the text that the collection writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.teacher_scores import fault_of_scores
from rankgen.manifests.trec import Qrels

SCORES = pa.schema(
    [
        pa.field("query_id", pa.string(), nullable=False),
        pa.field("document_ids", pa.list_(pa.string()), nullable=False),
        pa.field("scores", pa.list_(pa.float32()), nullable=False),
        pa.field("positive_ids", pa.list_(pa.string())),
    ]
)
# The columns of a ranking that it is made of.
FROM_RANKINGS = ("query_id", "doc_ids", "teacher_scores")
RELEVANT = 1


class Rows(NamedTuple):
    """Some rows of a shard; `first` is the number of the first one in it, from 0."""

    path: Path
    first: int
    table: pa.Table


def score_rows(rankings: Iterable[Rows], qrels: Qrels | None) -> Iterator[pa.Table]:
    """Yields the scored rankings in their order; rankings without scores are left out.

    Args:
        rankings: Rows of the table `rankings`.
        qrels: Judgements, from which `positive_ids` is made; None where they are unknown.

    Raises:
        IntegrityProblem: A list has fewer or more scores than documents, or one that is no number.
    """
    for rows in rankings:
        _check(rows)
        kept = rows.table.filter(pc.is_valid(rows.table["teacher_scores"]))
        positives = [_relevant(qrels, query_id) for query_id in kept["query_id"].to_pylist()]
        columns = [kept["query_id"], kept["doc_ids"], kept["teacher_scores"]]
        yield pa.table([*columns, pa.array(positives, pa.list_(pa.string()))], schema=SCORES)


def _relevant(qrels: Qrels | None, query_id: str) -> list[str] | None:
    judged = None if qrels is None else qrels.get(query_id)
    if judged is None:
        return None
    return sorted(doc_id for doc_id, grade in judged.items() if grade >= RELEVANT)


def _check(rows: Rows) -> None:
    scores, documents = rows.table["teacher_scores"], rows.table["doc_ids"]
    lengths = pc.equal(pc.list_value_length(scores), pc.list_value_length(documents))
    # A null among the scores counts as one that is no finite number.
    finite = pc.fill_null(pc.is_finite(pc.list_flatten(scores)), False)
    if pc.all(lengths, min_count=0).as_py() and pc.all(finite, min_count=0).as_py():
        return
    pairs = zip(scores.to_pylist(), documents.to_pylist(), strict=True)
    for number, (given, doc_ids) in enumerate(pairs, start=rows.first + 1):
        if fault := fault_of_scores(given, len(doc_ids)):
            raise IntegrityProblem(
                f"{rows.path} row {number}: {fault}", "make that shard again, or restore it"
            )
