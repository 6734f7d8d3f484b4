"""`rankgen soup`: the mean of students' weights, what is kept of it, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from toy_training import settings_of, toy_lists, weights
from typer.testing import CliRunner, Result
from written_runs import written_rankings

from rankgen.generator.cli import app
from rankgen.manifests.errors import UsageError
from rankgen.students.model.loading import load_cross_encoder
from rankgen.students.training.student_folder import finished_summary
from rankgen.students.training.train import train_student

PAIRS = [("which is good", "good good bat"), ("which is good", "bat dit bot"), ("dog", "good")]


@pytest.fixture(scope="module")
def students(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: str) -> dict[str, Path]:
    """Three seeds of one student, a student of another backbone, and what they learned from."""
    root = tmp_path_factory.mktemp("students")
    rankings = _rankings(root / "rankings", "")
    recipe: dict[str, object] = {
        "rankings": rankings,
        "backbone": tiny_backbone,
        "learning_rate": 3e-3,
        "queries_per_step": 4,
        "query_tokens": 8,
        "passage_tokens": 16,
        "max_steps": 12,
        "device": "cpu",
        "precision": "fp32",
    }
    found = {"rankings": rankings, "held": _rankings(root / "held", "v")}
    for seed in (1, 2, 3):
        out = root / f"seed{seed}"
        train_student(settings_of(recipe, out=out, seed=seed))
        found[out.name] = out
    # From another backbone: another student.
    train_student(settings_of(recipe, out=root / "other", backbone=str(root / "seed1")))
    return {**found, "other": root / "other"}


def _rankings(root: Path, before: str) -> Path:
    orders, _, documents = toy_lists(queries=8, passages=6)
    named = {f"{before}{query}": order for query, order in orders.items()}
    return written_rankings(root, named, dict.fromkeys(named, "which is good"), documents)


def soup(*words: object) -> Result:
    return CliRunner().invoke(app, ["soup", *map(str, words), "--device", "cpu"])


def scores(student: Path) -> list[float]:
    """The scores of transformers itself."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(student).eval()
    tokenizer = AutoTokenizer.from_pretrained(student)
    found = []
    with torch.no_grad():
        for query, passage in PAIRS:
            found.append(model(**tokenizer(query, passage, return_tensors="pt")).logits.item())
    return found


def test_a_soup_scores_as_a_mean_made_by_hand(students: dict[str, Path], tmp_path: Path) -> None:
    seeds = [students[f"seed{seed}"] for seed in (1, 2, 3)]
    out = tmp_path / "soup"
    done = soup(*seeds, "--out", out, "--json")
    assert done.exit_code == 0, done.output
    by_hand = tmp_path / "by-hand"
    shutil.copytree(seeds[0], by_hand, ignore=shutil.ignore_patterns(".rankgen"))
    held = [weights(one) for one in seeds]
    mean = {name: sum(one[name].double() for one in held) / 3 for name in held[0]}
    save_file(
        {name: torch.as_tensor(value).float() for name, value in mean.items()},
        by_hand / "model.safetensors",
        metadata={"format": "pt"},
    )
    ours, theirs = scores(out), scores(by_hand)
    assert ours == pytest.approx(theirs, abs=1e-6)
    assert all(abs(one - other) > 1e-4 for one, other in zip(ours, scores(seeds[0]), strict=True))
    # It loads as any student does, with its cuts.
    encoder = load_cross_encoder(str(out))
    assert (encoder.query_tokens, encoder.passage_tokens) == (8, 16)
    record = json.loads((out / "rankgen.json").read_text())
    told = json.loads(done.stdout)
    assert [one["identity"][:7] for one in told["ingredients"]] == ["sha256:"] * 3
    assert record["facts"]["ingredients"] == [one["identity"] for one in told["ingredients"]]
    assert record["settings"]["learning_rate"] == 3e-3
    assert "seed" not in record["settings"]
    again = soup(*seeds, "--out", out)
    assert "was made before" in again.stdout
    other = soup(*seeds[:2], "--out", out)
    assert other.exit_code == 2
    assert "is not this soup" in other.stderr
    with pytest.raises(UsageError, match="is a soup of students, not a training"):
        finished_summary(out)


def test_a_soup_reloads_in_sentence_transformers(students: dict[str, Path], tmp_path: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    out = tmp_path / "soup"
    assert soup(students["seed1"], students["seed2"], "--out", out).exit_code == 0
    model = sentence_transformers.CrossEncoder(
        str(out), device="cpu", activation_fn=torch.nn.Identity()
    )
    assert model.predict(PAIRS).tolist() == pytest.approx(scores(out), abs=1e-5)


def test_greedy_keeps_only_what_betters_the_validation(
    students: dict[str, Path], tmp_path: Path
) -> None:
    # A student with a head that turns the order round can only make a mean worse.
    spoilt = tmp_path / "spoilt"
    shutil.copytree(students["seed1"], spoilt, ignore=shutil.ignore_patterns(".rankgen"))
    held = load_file(spoilt / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        held[name] = -3 * held[name]
    save_file(held, spoilt / "model.safetensors", metadata={"format": "pt"})
    out = tmp_path / "soup"
    command = [spoilt, students["seed1"], students["seed2"], "--out", out]
    done = soup(*command, "--validation-rankings", students["held"], "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["method"] == "greedy"
    rows = {one["name"]: one for one in told["ingredients"]}
    assert not rows["spoilt"]["is_kept"]
    best = max(one["validation"] for one in told["ingredients"])
    assert told["validation"] >= best
    first = max(told["ingredients"], key=lambda one: one["validation"])
    assert first["is_kept"]
    kept = [weights(students[name]) for name, one in rows.items() if one["is_kept"]]
    mean = {name: sum(one[name].double() for one in kept) / len(kept) for name in kept[0]}
    for name, weight in weights(out).items():
        torch.testing.assert_close(weight, torch.as_tensor(mean[name]).float(), rtol=0, atol=1e-7)
    card = (out / "README.md").read_text()
    assert "its students were chosen by it" in card
    assert "| spoilt |" in card


def _thinner(students: dict[str, Path], root: Path, change: Callable[[Path], None]) -> Path:
    made = root / "changed"
    shutil.copytree(students["seed2"], made, ignore=shutil.ignore_patterns(".rankgen"))
    change(made)
    return made


def test_students_that_do_not_belong_together_are_one_sentence(
    students: dict[str, Path], tmp_path: Path, tiny_backbone: str
) -> None:
    out, seed1 = tmp_path / "soup", students["seed1"]

    def refused(*words: object) -> str:
        done = soup(seed1, *words, "--out", out)
        assert done.exit_code == 2, done.output
        assert not out.exists()
        assert "Traceback" not in done.stderr
        return done.stderr

    assert "was trained from another backbone than" in refused(students["other"])
    assert "is the same student as" in refused(seed1)
    assert "has no record of the backbone" in refused(tiny_backbone)
    assert "a greedy soup is chosen on validation" in refused(
        students["seed2"], "--method", "greedy"
    )
    assert "was trained on" in refused(
        students["seed2"], "--validation-rankings", students["rankings"]
    )

    def other_cuts(made: Path) -> None:
        config = json.loads((made / "config.json").read_text())
        config["rankgen"]["query_tokens"] = 7
        (made / "config.json").write_text(json.dumps(config))

    changed = _thinner(students, tmp_path, other_cuts)
    assert "they differ in the tokens after which texts are cut" in refused(changed)
    shutil.rmtree(changed)

    def other_shape(made: Path) -> None:
        held = load_file(made / "model.safetensors")
        config = json.loads((made / "config.json").read_text())
        config["num_hidden_layers"] = 1
        (made / "config.json").write_text(json.dumps(config))
        kept = {name: weight for name, weight in held.items() if ".layer.1." not in name}
        save_file(kept, made / "model.safetensors", metadata={"format": "pt"})

    assert "they differ in the weight" in refused(_thinner(students, tmp_path, other_shape))
    begun = tmp_path / "begun"
    (begun / ".rankgen").mkdir(parents=True)
    assert "begun holds no finished student" in refused(begun)
    (out / "something").mkdir(parents=True)
    done = soup(seed1, students["seed2"], "--out", out)
    assert (done.exit_code, "is not this soup" in done.stderr) == (2, True)
