"""The peers of student_speed.py: each takes one training step on a list, or scores lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from rankgen.students.losses import parse_loss
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.hardware import choose_hardware
from rankgen.students.model.loading import load_backbone
from rankgen.students.model.scoring import score_pairs
from rankgen.students.training.batches import TokenList
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.step import Trainer

QUERY_TOKENS, PASSAGE_TOKENS = 32, 256
LEARNING_RATE = 1e-5


class TextList(NamedTuple):
    """One query with its passages, best first."""

    query: str
    passages: list[str]


class System(NamedTuple):
    """One system.

    Attributes:
        step: Takes one optimizer step of RankNet on one list.
        score: Scores the pairs of lists, tokenisation included.
    """

    step: Callable[[TextList], object]
    score: Callable[[Sequence[TextList]], list[float]]


def autocast(precision: str) -> torch.autocast:
    """Returns the context in which the peers compute."""
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16")


def rankgen_system(folder: Path, precision: str) -> System:
    """Ours: texts are tokenised once, before a training; scoring tokenises."""
    encoder = load_backbone(
        str(folder),
        seed=0,
        query_tokens=QUERY_TOKENS,
        passage_tokens=PASSAGE_TOKENS,
        dropout=0.0,
    )
    settings = TrainSettings(
        rankings=Path("none"), out=Path("none"), learning_rate=LEARNING_RATE, dropout=0.0
    )
    hardware = choose_hardware("cpu", precision)
    trainer = Trainer(encoder, parse_loss("ranknet"), settings, hardware, 1_000)
    tokenised: dict[str, TokenList] = {}

    def step(ranked: TextList) -> object:
        return trainer.run(0, [tokenised[ranked.query]])

    def step_after_tokenising(ranked: TextList) -> object:
        if ranked.query not in tokenised:
            tokenised[ranked.query] = token_list(encoder, ranked)
        return step(ranked)

    def score(lists: Sequence[TextList]) -> list[float]:
        pairs = [pair for ranked in lists for pair in token_list(encoder, ranked).pairs]
        return [float(value) for value in score_pairs(encoder, pairs, hardware)]

    return System(step_after_tokenising, score)


def token_list(encoder: CrossEncoder, ranked: TextList) -> TokenList:
    """Tokenises one list as a training does."""
    import numpy as np

    query = encoder.tokenise_queries({"q": ranked.query})["q"]
    texts = {str(number): text for number, text in enumerate(ranked.passages)}
    passages = encoder.tokenise_passages(texts)
    pairs = [(query, passages[name]) for name in texts]
    tokens = sum(encoder.template.length(*pair) for pair in pairs)
    return TokenList(ranked.query, pairs, tokens, np.arange(len(pairs)))


def sentence_transformers_system(folder: Path, precision: str, mini_batch: int | None) -> System:
    """sentence-transformers' RankNetLoss and AdamW, without its trainer's overhead."""
    from sentence_transformers import CrossEncoder as SentenceCrossEncoder
    from sentence_transformers.cross_encoder.losses import RankNetLoss

    model = SentenceCrossEncoder(
        str(folder), num_labels=1, max_length=QUERY_TOKENS + PASSAGE_TOKENS + 3, device="cpu"
    )
    loss = RankNetLoss(model, mini_batch_size=mini_batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, fused=True)

    def step(ranked: TextList) -> None:
        model.train()
        optimizer.zero_grad(set_to_none=True)
        count = len(ranked.passages)
        labels = [torch.arange(count, 0, -1, dtype=torch.float32)]
        with autocast(precision):
            value: Tensor = loss([[ranked.query], [ranked.passages]], labels)
        value.backward()
        optimizer.step()

    def score(lists: Sequence[TextList]) -> list[float]:
        model.eval()
        pairs = [(ranked.query, passage) for ranked in lists for passage in ranked.passages]
        with autocast(precision):
            return [float(value) for value in model.predict(pairs, show_progress_bar=False)]

    return System(step, score)


def lightning_ir_system(folder: Path, precision: str) -> System:
    """lightning-ir's module, tokenizer and loss, without its trainer's overhead.

    Release 0.0.6 does not load under transformers 5, whose tokenizer table holds classes where it
    held pairs of classes; that table is put right here, outside of it.
    """
    import lightning_ir.base.class_factory as class_factory
    import lightning_ir.base.tokenizer as tokenizer_module
    from transformers import TOKENIZER_MAPPING

    class Pairs:
        def __getitem__(self, kind: object) -> tuple[object, ...]:
            found = TOKENIZER_MAPPING[kind]
            return found if isinstance(found, tuple) else (found, found)

    class_factory.TOKENIZER_MAPPING = tokenizer_module.TOKENIZER_MAPPING = Pairs()
    from lightning_ir import CrossEncoderModule, RankNet
    from lightning_ir.data.data import RankBatch, TrainBatch
    from lightning_ir.models import MonoConfig

    module = CrossEncoderModule(
        model_name_or_path=str(folder),
        config=MonoConfig(query_length=QUERY_TOKENS, doc_length=PASSAGE_TOKENS),
        loss_functions=[RankNet()],
    )
    optimizer = torch.optim.AdamW(module.parameters(), lr=LEARNING_RATE, fused=True)

    def step(ranked: TextList) -> None:
        module.train()
        optimizer.zero_grad(set_to_none=True)
        count = len(ranked.passages)
        ids = [str(number) for number in range(count)]
        targets = torch.arange(count, 0, -1, dtype=torch.float32)[None]
        batch = TrainBatch(
            queries=[ranked.query],
            docs=[ranked.passages],
            query_ids=["q"],
            doc_ids=[ids],
            targets=targets,
        )
        with autocast(precision):
            (value,) = module._compute_losses(batch, module.forward(batch))
        value.backward()
        optimizer.step()

    @torch.inference_mode()
    def score(lists: Sequence[TextList]) -> list[float]:
        module.eval()
        scores: list[float] = []
        for ranked in lists:
            ids = [str(number) for number in range(len(ranked.passages))]
            batch = RankBatch(
                queries=[ranked.query], docs=[ranked.passages], query_ids=["q"], doc_ids=[ids]
            )
            with autocast(precision):
                scores += module.forward(batch).scores.float().tolist()
        return scores

    return System(step, score)
