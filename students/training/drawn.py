"""What a training draws its steps from: its lists, tokenised, in chunks if it reads some."""

from __future__ import annotations

import numpy as np

from rankgen.manifests.long_documents.chunked import chunked
from rankgen.students.model.chunk_notices import tell_of_losses
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.training.batches import StepLists
from rankgen.students.training.lists import TrainingLists
from rankgen.students.training.settings import StudentSettings


def step_lists(encoder: CrossEncoder, lists: TrainingLists, settings: StudentSettings) -> StepLists:
    """Tokenises the texts of all lists and returns what draws the lists of a step."""
    rule = encoder.long_documents
    read = chunked(rule, lists.documents, lists.titles)
    if rule is not None:
        longest = int(np.diff(encoder.tokenise_passages(read.texts).offsets).max(initial=0))
        tell_of_losses(rule, read.unread, longest, encoder.passage_tokens)
    return StepLists(
        lists.lists,
        encoder.pair_source(lists.queries, read.texts),
        encoder.template,
        queries_per_step=settings.queries_per_step,
        sample_size=settings.sample_size,
        sample_mode=settings.sample_mode,
        seed=settings.seed,
        chunks=None if rule is None else read.keys,
    )
