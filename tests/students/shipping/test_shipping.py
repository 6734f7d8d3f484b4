"""Shipped folders: the student's scores in ONNX Runtime and by the code of their cards; tiny."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from shipped_folders import LONG, PHOTOSYNTHESIS, code_of, ours, run_code, scores_of
from toy_training import settings_of
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.manifests import notices
from rankgen.manifests.errors import EnvironmentProblem, IntegrityProblem, UsageError
from rankgen.students.evaluation.evaluate import evaluate
from rankgen.students.evaluation.settings import EvaluationSettings
from rankgen.students.model.hardware import choose_hardware
from rankgen.students.model.loading import load_backbone, load_cross_encoder
from rankgen.students.model.scoring import score_each_pair
from rankgen.students.reranking.reranker import StudentReranker
from rankgen.students.reranking.student_identity import student_identity
from rankgen.students.shipping import int8
from rankgen.students.shipping.quality import check_equal, made_up_pairs, quality_of
from rankgen.students.shipping.settings import ShipSettings
from rankgen.students.shipping.ship import Shipped, ship
from rankgen.students.shipping.shipped_folder import CALIBRATION, ONNX_FILE, RECORD
from rankgen.students.shipping.shipped_student import open_shipped, with_session
from rankgen.students.shipping.validation_set import validation_set
from rankgen.students.training.train import train_student


def test_onnx_runtime_returns_the_students_scores_at_any_length(
    student: Path, exact: tuple[Path, Shipped]
) -> None:
    encoder = load_cross_encoder(str(student))
    pairs = made_up_pairs(encoder)
    lengths = {encoder.template.length(*pair) for pair in pairs}
    assert {min(lengths), max(lengths)} == {5, encoder.longest_pair}
    assert scores_of(exact[0], pairs) == pytest.approx(scores_of(student, pairs), abs=1e-5)
    # A batch of one, whose size the exporter would rather keep for a constant.
    assert scores_of(exact[0], pairs[:1]) == pytest.approx(scores_of(student, pairs[:1]), abs=1e-5)
    assert exact[1].export_difference is not None
    assert exact[1].export_difference < 1e-5


@pytest.mark.parametrize("title", ["ONNX Runtime", "transformers", "sentence-transformers"])
def test_the_cards_code_returns_the_students_scores(
    title: str, student: Path, exact: tuple[Path, Shipped]
) -> None:
    found = run_code(exact[0], code_of(exact[0], title))
    assert len(found["passages"]) == 2
    expected = ours(student, found["query"], found["passages"])
    assert np.asarray(found["scores"]) == pytest.approx(expected, abs=1e-5)


def test_only_the_code_for_onnx_runtime_cuts_long_texts_as_rankgen_does(
    student: Path, exact: tuple[Path, Shipped]
) -> None:
    long = {"how do plants eat": LONG, "Rome was founded.": LONG}
    expected = ours(student, LONG, [PHOTOSYNTHESIS, LONG])
    for title, agrees in (("ONNX Runtime", True), ("transformers", False)):
        scores = run_code(exact[0], code_of(exact[0], title), long)["scores"]
        assert (np.abs(scores - expected).max() < 1e-5) == agrees, title
    # Cut as one, a query within its cut and a passage within its own are whole.
    assert "for ONNX Runtime above cuts as rankgen does" in " ".join(
        (exact[0] / "README.md").read_text(encoding="utf-8").split()
    )


def test_int8_is_smaller_close_and_scored_with_by_every_command(
    student: Path, rounded: tuple[Path, Shipped], judged: dict[str, Path], tmp_path: Path
) -> None:
    folder, shipped = rounded
    assert shipped.graph_bytes is not None
    assert shipped.graph_bytes < shipped.student_bytes / 3
    pairs = made_up_pairs(load_cross_encoder(str(student)))
    exactly, roughly = scores_of(student, pairs), scores_of(folder, pairs)
    # The weights of 32 bits are in the folder too; they are not what is scored with.
    assert not np.allclose(exactly, roughly, atol=1e-5)
    assert np.corrcoef(exactly, roughly)[0, 1] > 0.99
    assert student_identity(str(folder)) != student_identity(str(student))
    found = evaluate(
        EvaluationSettings(
            **judged, out=tmp_path / "report", students=(str(student), str(folder)), cost=True
        )
    )
    costs = [system.cost for system in found.systems[1:]]
    assert [cost.parameters for cost in costs if cost is not None] == [shipped.parameters] * 2


def test_the_gate_refuses_a_significant_loss_and_leaves_nothing(
    student: Path,
    judged: dict[str, Path],
    tmp_path: Path,
    exported: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The student's own order is what is relevant, and a broken rounding turns it round."""
    reranker = StudentReranker.load(str(student), "fp32", device="cpu")
    asked = ShipSettings(student=str(student), out=tmp_path / "bad", format="onnx-int8", **judged)
    held = validation_set(asked)
    assert held is not None
    scores = reranker.scores(held.texts)
    best = {query: max(of, key=of.__getitem__) for query, of in scores.items()}
    lines = [f"{query} 0 {doc_id} 1\n" for query, doc_id in best.items()]
    judged["qrels"].write_text("".join(lines))
    quantise = int8.quantise

    def broken(source: Path, target: Path, bits: int) -> None:
        import onnx

        quantise(source, target, bits)
        model = onnx.load(target)
        last = model.graph.output[0].name
        node = next(node for node in model.graph.node if last in node.output)
        node.output[0] = "upright"
        model.graph.node.append(onnx.helper.make_node("Neg", ["upright"], [last]))
        onnx.save(model, target)

    monkeypatch.setattr("rankgen.students.shipping.graph.quantise", broken)
    with pytest.raises(IntegrityProblem, match="onnx-int8 ranks worse than the student: nDCG@10 0"):
        ship(asked)
    assert not list(tmp_path.glob("*bad*"))
    accepted = ship(asked.model_copy(update={"accept_loss": True}))
    assert accepted.quality is not None
    assert accepted.quality.student == 1.0
    assert accepted.quality.is_loss(0.05)
    assert "| student | 1.0000 |" in (tmp_path / "bad" / "README.md").read_text(encoding="utf-8")


def test_a_loss_is_told_from_chance(student: Path, judged: dict[str, Path]) -> None:
    held = validation_set(ShipSettings(student=str(student), out=Path("none"), **judged))
    assert held is not None
    good = {q: {d: 10.0 - int(d.rpartition("-")[2]) for d in row} for q, row in held.qrels.items()}
    turned = {q: {d: -score for d, score in row.items()} for q, row in good.items()}
    one = min(good)
    assert quality_of(good, turned, held).is_loss(0.05)
    assert not quality_of(turned, good, held).is_loss(0.05)
    # One query of eight may be chance.
    assert not quality_of(good, good | {one: turned[one]}, held).is_loss(0.05)


def test_scores_are_calibrated_on_judgements_and_stay_logits(
    student: Path, judged: dict[str, Path], exported: None, tmp_path: Path
) -> None:
    out = tmp_path / "calibrated"
    options = {"candidates": judged["candidates"], "qrels": judged["qrels"], "out": out}
    words = [word for name, path in options.items() for word in (f"--{name}", str(path))]
    result = CliRunner().invoke(app, ["ship", str(student), *words, "--json"])
    assert result.exit_code == 0, result.stderr
    shipped = json.loads(result.stdout)
    assert shipped["quality"]["student"] == pytest.approx(shipped["quality"]["shipped"])
    assert shipped["quality"]["largest_score_difference"] < 1e-5
    assert shipped["truncation"] == {"pairs": 48, "whole_pairs": 48}
    held = json.loads((out / CALIBRATION).read_text())
    # Judged ones alone: four of the six candidates of eight queries.
    assert (held["pairs"], held["relevant"], held["unjudged"]) == (32, 16, "left out")
    found = run_code(out, code_of(out, "ONNX Runtime") + "\n" + _probability(out))
    slope, intercept = held["platt"]["slope"], held["platt"]["intercept"]
    expected = [1 / (1 + math.exp(-(slope * score + intercept))) for score in found["scores"]]
    assert found["probabilities"] == pytest.approx(expected)
    assert found["scores"] == pytest.approx(
        ours(student, found["query"], found["passages"]), abs=1e-5
    )


def _probability(folder: Path) -> str:
    card = (folder / "README.md").read_text(encoding="utf-8")
    return card.split("## Probabilities")[1].split("```python\n")[1].split("\n```")[0]


def test_a_teachers_rankings_take_the_place_of_judgements(
    student: Path, rankings: Path, tmp_path: Path
) -> None:
    asked = ShipSettings(
        student=str(student), out=tmp_path / "x", rankings=rankings, max_queries=5, depth=4
    )
    held = validation_set(asked)
    assert held is not None
    assert (len(held.qrels), held.pairs, held.is_judged) == (5, 20, False)
    assert list(held.qrels["q00"].values()) == [10, 9, 8, 7]
    planned = ship(asked.model_copy(update={"dry_run": True}))
    assert (planned.queries, planned.pairs, planned.graph_bytes) == (5, 20, None)
    assert not (tmp_path / "x").exists()


def test_an_exported_graph_that_scores_otherwise_is_refused(
    student: Path, exact: tuple[Path, Shipped]
) -> None:
    encoder, graph = load_cross_encoder(str(student)), exact[0] / ONNX_FILE
    hardware = choose_hardware("cpu", "fp32")
    assert check_equal((encoder, hardware), with_session(encoder, graph)) < 1e-5
    other = load_cross_encoder(str(student))
    other.model.get_parameter("classifier.bias").data += 0.01
    with pytest.raises(IntegrityProblem, match=r"differ from the student's by up to 0\.01"):
        check_equal((other, hardware), with_session(encoder, graph))


def test_bad_input_is_one_sentence(
    student: Path, exact: tuple[Path, Shipped], judged: dict[str, Path], tmp_path: Path
) -> None:
    def asked(**changed: object) -> ShipSettings:
        usual = {"student": str(student), "out": tmp_path / "new"}
        return ShipSettings.model_validate(usual | changed)

    with pytest.raises(UsageError, match="is not what this command ships"):
        ship(asked(out=exact[0], depth=50))
    with pytest.raises(UsageError, match="is shipped already"):
        ship(asked(student=str(exact[0])))
    with pytest.raises(UsageError, match="onnx-int8 changes the scores, and there is nothing"):
        ship(asked(format="onnx-int8"))
    with pytest.raises(ValueError, match="belong together"):
        asked(qrels=judged["qrels"])
    with pytest.raises(UsageError, match="scored by ONNX Runtime on the CPU"):
        StudentReranker.load(str(exact[0]), "fp32", device="cuda")
    assert open_shipped(str(student), "cpu") is None
    assert not (tmp_path / "new").exists()


def test_the_same_command_again_finds_it_shipped(
    student: Path, exact: tuple[Path, Shipped], capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in exact[0].rglob("*")}
    again = ship(ShipSettings(student=str(student), out=exact[0], threads=1))
    assert again == exact[1].model_copy(update={"was_finished": True})
    found = CliRunner().invoke(app, ["ship", str(student), "--out", str(exact[0])])
    assert found.exit_code == 0
    assert "was shipped before as onnx" in found.stdout
    assert {path: path.stat().st_mtime_ns for path in exact[0].rglob("*")} == before


def test_a_damaged_folder_is_refused(exact: tuple[Path, Shipped], tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(exact[0], folder)
    graph = folder / ONNX_FILE
    graph.write_bytes(graph.read_bytes()[:-1])
    with pytest.raises(IntegrityProblem, match="is not the file that was shipped"):
        open_shipped(str(folder), "cpu")
    (folder / RECORD).write_text("{")
    with pytest.raises(IntegrityProblem, match=r"shipped\.json is damaged"):
        open_shipped(str(folder), "cpu")


def test_int8_is_refused_where_its_products_overflow(
    rounded: tuple[Path, Shipped], monkeypatch: pytest.MonkeyPatch
) -> None:
    left = np.full((4, 64), 255, dtype=np.uint8)
    right = np.full((64, 32), 63, dtype=np.int8)
    # 7 bits are right on any CPU, this one as well.
    assert (int8._product(left, right) == 255 * 63 * 64).all()
    full = int8._product(left, np.full_like(right, 127))
    assert int8.products_overflow() == bool((full != 255 * 127 * 64).any())
    monkeypatch.setattr(int8, "products_overflow", lambda: True)
    assert int8.resolved_bits("auto") == 7
    with pytest.raises(EnvironmentProblem, match="products of 8 bits overflow"):
        int8.resolved_bits("8")
    if rounded[1].weight_bits == 8:
        with pytest.raises(EnvironmentProblem, match="products of 8 bits overflow"):
            open_shipped(str(rounded[0]), "cpu")
    monkeypatch.setattr(int8, "products_overflow", lambda: False)
    assert int8.resolved_bits("auto") == 8


def warnings_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning:")]


def test_a_cpu_without_instructions_for_int8_is_told_of_in_one_sentence(
    rounded: tuple[Path, Shipped],
    exact: tuple[Path, Shipped],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    notices.warn.cache_clear()
    features = int8.cpu_features()
    if Path("/proc/cpuinfo").exists():
        assert features & {"avx2", "sse2", "asimd"}
    for has, lacking in (
        ({"avx2"}, "VNNI"),
        ({"sse2"}, "AVX2 and VNNI"),
        ({"asimd"}, "the dot products of ARMv8.2"),
    ):
        monkeypatch.setattr(int8, "cpu_features", lambda has=has: frozenset(has))
        monkeypatch.setattr(int8, "products_overflow", lambda: True)
        with pytest.raises(EnvironmentProblem, match=f"this CPU lacks {lacking}, and its") as error:
            int8.check_cpu(8, "it")
        assert "--format onnx" in str(error.value.hint)
        monkeypatch.setattr(int8, "products_overflow", lambda: False)
        assert open_shipped(str(rounded[0]), "cpu") is not None
        (told,) = warnings_of(capsys)
        assert f"int8 may be no faster than 32 bits here: this CPU lacks {lacking}; " in told
    for has in ({"avx2", "avx512_vnni"}, {"asimd", "asimddp"}, set()):
        monkeypatch.setattr(int8, "cpu_features", lambda has=has: frozenset(has))
        int8.check_cpu(8, "it")
    monkeypatch.setattr(int8, "cpu_features", lambda: frozenset({"sse2"}))
    notices.warn.cache_clear()
    open_shipped(str(exact[0]), "cpu")
    assert warnings_of(capsys) == []


def test_a_session_counts_the_students_weights(student: Path, exact: tuple[Path, Shipped]) -> None:
    encoder = load_cross_encoder(str(student))
    opened = open_shipped(str(exact[0]), "auto", chunk_tokens=100)
    assert opened is not None
    assert replace(opened[0], model=encoder.model).longest_pair == encoder.longest_pair
    assert opened[1].chunk_tokens == 100
    reranker = StudentReranker(*opened)
    assert reranker.parameters == exact[1].parameters


def test_modernbert_is_trained_shipped_and_served(
    recipe: dict[str, object], minilm: str, tmp_path: Path
) -> None:
    """The architecture that vLLM has too, under the settings of its published models."""
    from transformers import AutoTokenizer, ModernBertConfig, ModernBertModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
    config = ModernBertConfig(
        vocab_size=30522,
        **sizes,
        intermediate_size=64,
        max_position_embeddings=320,
        initializer_range=0.2,
        local_attention=8,
        pad_token_id=0,
        cls_token_id=101,
        sep_token_id=102,
    )
    backbone, out = tmp_path / "modernbert", tmp_path / "shipped"
    ModernBertModel(config).save_pretrained(backbone)
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    tokenizer.save_pretrained(backbone)
    settings = settings_of(recipe, backbone=str(backbone), max_steps=2)
    train_student(settings)
    shipped = ship(ShipSettings(student=str(settings.out), out=out))
    assert shipped.servers is not None
    assert shipped.servers.by_vllm in (True, None)
    for title in ("ONNX Runtime", "transformers", "sentence-transformers"):
        found = run_code(out, code_of(out, title))
        expected = ours(settings.out, found["query"], found["passages"])
        assert np.asarray(found["scores"]) == pytest.approx(expected, abs=1e-4), title
    pairs = made_up_pairs(load_cross_encoder(str(out)))
    assert scores_of(out, pairs) == pytest.approx(scores_of(settings.out, pairs), abs=1e-4)


def test_a_public_cross_encoder_is_cut_as_one_by_all(tiny_backbone: str, tmp_path: Path) -> None:
    """It records no cuts of two texts, so that every program reads the same tokens."""
    public, out = tmp_path / "public", tmp_path / "shipped"
    load_backbone(tiny_backbone, seed=0, query_tokens=8, passage_tokens=16, dropout=0.0).save(
        public
    )
    config = json.loads((public / "config.json").read_text())
    del config["rankgen"]
    (public / "config.json").write_text(json.dumps(config))
    encoder = load_cross_encoder(str(public))
    assert encoder.pair_tokens == 27
    ship(ShipSettings(student=str(public), out=out))
    assert load_cross_encoder(str(out)).pair_tokens == 27
    long = {"how do plants eat": LONG, "Rome was founded.": LONG}
    found = {
        title: run_code(out, code_of(out, title), long)["scores"]
        for title in ("ONNX Runtime", "transformers", "sentence-transformers")
    }
    for title, scores in found.items():
        expected = StudentReranker.load(str(out), "fp32", device="cpu")
        queries, passages = {"q": LONG}, {"a": PHOTOSYNTHESIS, "b": LONG}
        pairs = expected.encoder.pairs(queries, passages, [("q", "a"), ("q", "b")])
        wanted = score_each_pair(expected.encoder, pairs, expected.hardware)
        assert np.asarray(scores) == pytest.approx(wanted, abs=1e-5), title


def test_a_model_that_servers_would_misread_is_refused(student: Path, tmp_path: Path) -> None:
    """Of two outputs, no server knows which one counts."""
    two = tmp_path / "two"
    shutil.copytree(student, two)
    config = json.loads((two / "config.json").read_text())
    config["id2label"] = {"0": "irrelevant", "1": "relevant"}
    config["label2id"] = {"irrelevant": 0, "relevant": 1}
    (two / "config.json").write_text(json.dumps(config))
    weights = load_file(two / "model.safetensors")
    head = {name: torch.cat([weights[name]] * 2) for name in weights if "classifier" in name}
    save_file(weights | head, two / "model.safetensors")
    with pytest.raises(UsageError, match="which is not shipped"):
        ship(ShipSettings(student=str(two), out=tmp_path / "out"))
