"""Whether judgements can tell one order of some lists from another."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Candidates
from rankgen.manifests.trec import Qrels


def refuse_alike(lists: Iterable[Candidates], qrels: Qrels, run: Path, judgements: Path) -> None:
    """Refuses lists of which every order is as good as any other.

    No student could be chosen by them, and no loss be seen: such are lists that name documents by
    other ids than the judgements do.

    Args:
        lists: The lists as they are re-ranked, each of a judged query.
        qrels: Grade by document by query.
        run: Where the lists are from, for the message.
        judgements: Where the judgements are from.

    Raises:
        UsageError: In no list does one document gain more than another.
    """
    relevant = 0
    for row in lists:
        judged = qrels[row.query_id]
        gains = [max(judged.get(doc_id, 0), 0) for doc_id in row.doc_ids]
        if len(set(gains)) > 1:
            return
        relevant += sum(gain > 0 for gain in gains)
    if relevant:
        raise UsageError(
            f"the candidates of each query of {run} are all judged alike in {judgements}, so that "
            "every order of them is as good",
            "name longer lists, or others",
        )
    raise UsageError(
        f"no candidate of {run} is judged relevant in {judgements}, so that every order of them is "
        "as good",
        "check that both name documents by the same ids",
    )
