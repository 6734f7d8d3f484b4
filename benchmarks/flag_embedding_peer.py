"""FlagEmbedding as a peer of student_speed.py, where it can be imported.

It is not among rankgen's packages: `pip install --no-deps --target FOLDER FlagEmbedding` and
PYTHONPATH=FOLDER let it use the libraries that are there.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.nn.functional as functional
from student_peers import (
    LEARNING_RATE,
    PASSAGE_TOKENS,
    QUERY_TOKENS,
    System,
    TextList,
    autocast,
)
from torch import Tensor

# As many pairs as sentence-transformers' `predict` gives the model at once.
SCORED_TOGETHER = 32
LONGEST = QUERY_TOKENS + PASSAGE_TOKENS + 3


def has_flag_embedding() -> bool:
    """Tells whether FlagEmbedding is there."""
    return importlib.util.find_spec("FlagEmbedding") is not None


def flag_embedding_system(folder: Path, precision: str) -> System:
    """FlagEmbedding's reranker: its dataset's tokenisation, collator and model, and AdamW.

    It has no RankNet, so that the loss it computes from a list's scores is replaced by the same one
    that the others have. Its trainer's overhead is left out. A list is one forward pass, as in its
    trainings.
    """
    from FlagEmbedding import FlagReranker
    from FlagEmbedding.abc.finetune.reranker import AbsRerankerCollator, AbsRerankerTrainDataset
    from FlagEmbedding.finetune.reranker.encoder_only.base import CrossEncoderModel

    options = {"query_max_length": QUERY_TOKENS, "max_length": LONGEST}
    reranker = FlagReranker(
        str(folder), use_fp16=False, devices="cpu", batch_size=SCORED_TOGETHER, **options
    )
    model = CrossEncoderModel(reranker.model, tokenizer=reranker.tokenizer, train_batch_size=1)
    model.compute_loss = ranknet
    lengths = SimpleNamespace(query_max_len=QUERY_TOKENS, passage_max_len=PASSAGE_TOKENS + 3)
    dataset = SimpleNamespace(tokenizer=reranker.tokenizer, args=lengths)
    collate = AbsRerankerCollator(reranker.tokenizer, **vars(lengths))
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, fused=True)
    example = AbsRerankerTrainDataset.create_one_example

    def step(ranked: TextList) -> None:
        model.train()
        optimizer.zero_grad(set_to_none=True)
        rows = [example(dataset, ranked.query, passage) for passage in ranked.passages]
        with autocast(precision):
            loss = model(**collate([(rows, None)])).loss
        loss.backward()
        optimizer.step()

    def score(lists: Sequence[TextList]) -> list[float]:
        pairs = [(ranked.query, passage) for ranked in lists for passage in ranked.passages]
        with autocast(precision):
            return [float(value) for value in reranker.compute_score(pairs)]

    return System(step, score)


def ranknet(scores: Tensor, _: Tensor) -> Tensor:
    """Returns RankNet's loss of lists whose passages stand best first, shape (lists, passages)."""
    first, second = torch.triu_indices(scores.shape[1], scores.shape[1], 1)
    return functional.softplus(scores[:, second] - scores[:, first]).mean()
