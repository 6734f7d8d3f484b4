"""Other packages train from our exports: sentence-transformers, lightning-ir and rank_llm."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import torch
from export_runs import ORDERS, SCORES, exported, write_rankings

if TYPE_CHECKING:
    from datasets import Dataset
    from sentence_transformers import CrossEncoder

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "query", "text", "of", "title", "?"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rankings(tmp_path_factory.mktemp("run") / "run", ORDERS, SCORES)


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A random cross-encoder of one layer whose tokenizer knows the words of `write_rankings`."""
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder = tmp_path_factory.mktemp("model")
    names = sorted({*ORDERS, *ORDERS["q1"]})
    (folder / "vocab.txt").write_text("\n".join([*WORDS, *names]), encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS) + len(names),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
        initializer_range=0.2,
        num_labels=1,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("WANDB_DISABLED", "true")
    monkeypatch.chdir(tmp_path)


def loaded(path: Path, tmp_path: Path) -> Dataset:
    from datasets import load_dataset

    kind = "parquet" if path.suffix == ".parquet" else "json"
    cache = str(tmp_path / "cache")
    return load_dataset(kind, data_files=str(path), split="train", cache_dir=cache)


def weights_of(model: CrossEncoder) -> torch.Tensor:
    return torch.cat([weight.detach().reshape(-1) for weight in model.parameters()]).clone()


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize(
    ("loss", "form", "columns"),
    [
        ("RankNetLoss", "labeled-list", ["query", "docs", "labels"]),
        ("ADRMSELoss", "labeled-list", ["query", "docs", "labels"]),
        ("MSELoss", "pairs", ["query", "passage", "label"]),
        ("MarginMSELoss", "triples", ["query", "positive", "negative", "label"]),
    ],
)
def test_a_loss_of_sentence_transformers_trains_a_step(
    run: Path,
    tiny_model: str,
    tmp_path: Path,
    loss: str,
    form: str,
    columns: list[str],
    suffix: str,
) -> None:
    from sentence_transformers import CrossEncoder
    from sentence_transformers.cross_encoder import (
        CrossEncoderTrainer,
        CrossEncoderTrainingArguments,
        losses,
    )

    out = tmp_path / f"train{suffix}"
    exported(form, run, out)
    data = loaded(out, tmp_path)
    assert data.column_names == columns
    model = CrossEncoder(tiny_model, num_labels=1, device="cpu")
    before = weights_of(model)
    asked = CrossEncoderTrainingArguments(
        output_dir=str(tmp_path / "trained"),
        per_device_train_batch_size=len(data),
        num_train_epochs=2,
        learning_rate=1e-2,
        lr_scheduler_type="constant",
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
    )
    trainer = CrossEncoderTrainer(
        model=model, args=asked, train_dataset=data, loss=getattr(losses, loss)(model)
    )
    trainer.train()
    values = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert values[1] < values[0]
    assert (weights_of(model) - before).abs().max() > 1e-4


def test_margins_are_those_that_margin_mse_wants(
    run: Path, tiny_model: str, tmp_path: Path
) -> None:
    """A model that scores as the teacher does has no loss."""
    from sentence_transformers import CrossEncoder
    from sentence_transformers.cross_encoder.losses import MarginMSELoss

    exported("triples", run, tmp_path / "x.parquet", depth=2)
    data = loaded(tmp_path / "x.parquet", tmp_path)
    texts = [list(data[name]) for name in ("query", "positive", "negative")]
    scores = {
        (f"query {query_id}?", doc_id): torch.tensor(score)
        for query_id, order in ORDERS.items()
        for doc_id, score in zip(order, SCORES[query_id], strict=True)
    }
    model = CrossEncoder(tiny_model, num_labels=1, device="cpu")

    def as_the_teacher(pairs: list[tuple[str, str]], **_: object) -> dict[str, torch.Tensor]:
        return {"scores": torch.stack([scores[q, text.split()[-1]] for q, text in pairs])}

    loss = MarginMSELoss(model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "preprocess", as_the_teacher)
        patch.setattr(model, "forward", lambda features: features)
        assert loss(texts, torch.tensor(data["label"])).item() == 0


@pytest.fixture
def lightning() -> SimpleNamespace:
    dataset = pytest.importorskip("lightning_ir.data.dataset")
    pairwise = pytest.importorskip("lightning_ir.loss.pairwise")
    losses = {"rank": pairwise.RankNet(), "score": pairwise.SupervisedMarginMSE()}
    return SimpleNamespace(RunDataset=dataset.RunDataset, losses=losses)


@pytest.mark.parametrize("target", ["rank", "score"])
def test_lightning_ir_reads_the_run_and_its_loss_trains_a_step(
    run: Path, tiny_model: str, tmp_path: Path, lightning: SimpleNamespace, target: str
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    out = tmp_path / "__teacher__rankings.parquet"
    exported("lightning-ir", run, out, with_text=True)
    data = lightning.RunDataset(out, depth=4, targets=target)
    assert len(data) == 3
    sample = data[0]
    assert (sample.query_id, sample.query) == ("q1", "query q1?")
    assert sample.doc_ids == tuple(ORDERS["q1"])
    assert sample.docs[3] == "Title d2 text of d2"
    wanted = SCORES["q1"] if target == "score" else [4, 3, 2, 1]
    assert sample.targets.flatten().tolist() == wanted
    model = AutoModelForSequenceClassification.from_pretrained(tiny_model)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    encoded = tokenizer([sample.query] * 4, list(sample.docs), padding=True, return_tensors="pt")
    batch = SimpleNamespace(targets=sample.targets.float().reshape(1, -1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    values = []
    for _ in range(2):
        output = SimpleNamespace(scores=model(**encoded).logits.reshape(1, -1))
        value = lightning.losses[target].compute_loss(output, batch)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[1] < values[0]


def test_lightning_ir_finds_the_data_set_in_the_name(
    run: Path, tmp_path: Path, lightning: SimpleNamespace
) -> None:
    out = tmp_path / "__rankzephyr__msmarco-passage-train-judged.parquet"
    exported("lightning-ir", run, out)
    data = lightning.RunDataset(out, depth=4, targets="rank")
    assert data.dataset == "msmarco-passage/train/judged"
    found = data._load_run()
    assert list(found.columns) == ["query_id", "doc_id", "rank", "score"]
    assert found["doc_id"].tolist()[:4] == ORDERS["q1"]


def test_rank_llm_reads_our_requests(run: Path, tmp_path: Path) -> None:
    data = pytest.importorskip("rank_llm.data")
    for name, order in (("x.jsonl", "first-stage"), ("y.json", "teacher")):
        exported("rank-llm", run, tmp_path / name, order=order)
        requests = data.read_requests_from_file(str(tmp_path / name))
        assert [request.query.qid for request in requests] == ["q1", "q3", "q2"]
        first = requests[0]
        assert first.query.text == "query q1?"
        wanted = sorted(ORDERS["q1"]) if order == "first-stage" else ORDERS["q1"]
        assert [candidate.docid for candidate in first.candidates] == wanted
        assert all(isinstance(candidate.score, float) for candidate in first.candidates)
        assert first.candidates[0].doc["text"].startswith("text of")


def test_rows_of_chats_are_those_that_rank_llm_trains_on(run: Path, tmp_path: Path) -> None:
    """Its `training/utils/data_utils.py` is in no package; it reads these keys of these places."""
    exported("rank-llm-training", run, tmp_path / "x.json", prompts="list")
    rows = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert len(rows) == 3
    for row in rows:
        assert len(row["conversations"]) == 3
        system, prompt, answer = (turn["value"] for turn in row["conversations"])
        assert system.startswith("You are RankLLM")
        assert f"with {len(ORDERS[row['id']])} passages" in prompt
        places = [int(part.strip("[]")) - 1 for part in answer.split(" > ")]
        assert [row["docids"][place] for place in places] == ORDERS[row["id"]]
    data = loaded(tmp_path / "x.json", tmp_path)
    assert data[0]["conversations"][2]["value"] == rows[0]["conversations"][2]["value"]


def test_parquet_keeps_ids_as_texts_in_every_library(tmp_path: Path) -> None:
    """In JSON Lines pandas reads 007 as 7, and datasets and duckdb read dates."""
    import duckdb
    import pandas
    import polars

    for name, ids in (("numbers", ["007", "10"]), ("dates", ["2020-01-01", "2021-02-03"])):
        run = write_rankings(tmp_path / name, {ids[0]: ids}, {ids[0]: [2.0, 1.0]})
        out = tmp_path / f"{name}.parquet"
        exported("rank-distillm", run, out)
        told = [(ids[0], ids[0], 2.0), (ids[0], ids[1], 1.0)]
        assert [tuple(row.values()) for row in loaded(out, tmp_path)] == told
        assert list(pandas.read_parquet(out).itertuples(index=False, name=None)) == told
        assert polars.read_parquet(out).rows() == told
        assert duckdb.sql(f"select * from '{out}'").fetchall() == told
