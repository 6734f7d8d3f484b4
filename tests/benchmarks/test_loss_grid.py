"""What `benchmarks/student_losses.py` computes from its cells, and whom it compares them with."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from given_scores import Scorer

from rankgen.students.losses import Targets, make_loss
from rankgen.students.losses.terms import reduced

ROOT = Path(__file__).parents[2]
# Two lists of three passages, in the teacher's order.
SCORES = [[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]]
GIVEN = [[2.0, 0.5, -1.0], [1.0, 0.75, 0.0]]


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


@pytest.mark.parametrize("name", ["lce", "ranknet", "listnet", "adr-mse", "mse", "margin-mse"])
def test_both_systems_are_told_the_same_of_a_step(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = pytest.importorskip("sentence_transformers.cross_encoder.losses").__name__
    for module in ("mse", "margin_mse"):  # These take nothing but a whole model.
        monkeypatch.setattr(f"{losses}.{module}.CrossEncoder", Scorer)
    from loss_grid.peer import DrawnList, step_loss

    # Their MarginMSE has the first passage against the others: our pairs in lists of two.
    count = 2 if name == "margin-mse" else 3
    by_list = [row[:count] for row in SCORES]
    # That class asks column by column.
    asked = zip(*by_list, strict=True) if name == "margin-mse" else by_list
    scorer = Scorer([score for row in asked for score in row])
    lists = [DrawnList("q", [f"d{place}" for place in range(count)], row[:count]) for row in GIVEN]
    theirs = step_loss(scorer, name)(lists)
    ranks = torch.arange(1.0, count + 1).expand(2, count)
    order = Targets(ranks, torch.ones(2, count, dtype=torch.bool))
    targets = order
    if name.endswith("mse") and name != "adr-mse":
        targets = order._replace(teacher_scores=torch.tensor([row[:count] for row in GIVEN]))
    ours = reduced(make_loss(name).terms(torch.tensor(by_list), targets), "per_query_mean")
    # Their RankNet is in bits, which the optimizer does not see but for the clipping.
    unit = math.log(2) if name == "ranknet" else 1.0
    assert theirs.item() * unit == pytest.approx(ours.item(), rel=1e-5)


def test_an_interval_over_queries_is_that_of_the_mean() -> None:
    from loss_grid.intervals import Bootstrap

    values = np.tile(np.arange(100) % 2, (3, 1)).astype(float)
    found = Bootstrap(3, 100).interval(values)
    half = 1.96 * math.sqrt(0.25 / 100)
    assert found.mean == 0.5
    assert (found.low, found.high) == pytest.approx((0.5 - half, 0.5 + half), abs=0.012)


def test_an_interval_over_seeds_is_that_of_the_seeds() -> None:
    from loss_grid.intervals import Bootstrap

    values = np.repeat([[0.0], [0.3], [0.6]], 10, axis=1)
    found = Bootstrap(3, 10).interval(values)
    # One draw in 27 has the same seed three times, which is more than a fortieth.
    assert found == (0.3, 0.0, 0.6)
    assert Bootstrap(3, 10).interval(values - values) == (0.0, 0.0, 0.0)


def test_every_cell_has_a_file_and_every_peer_its_counterpart() -> None:
    from loss_grid.cells import BLOCKS, PEER
    from loss_grid.table import REFERENCE

    cells = [cell for block in BLOCKS for cell in block]
    assert len({cell.key for cell in cells}) == len(cells)
    assert all(sum(cell.steps(200)) == 200 for cell in cells)
    assert not any(set(cell.key) & set("/: ") for cell in cells)
    assert REFERENCE in cells
    for cell in cells:
        assert cell._replace(system="rankgen") in cells
    assert any(cell.system == PEER for cell in cells)


def test_scores_of_a_model_have_mean_0_and_deviation_1(tmp_path: Path) -> None:
    from loss_grid.sources import standardised

    run = tmp_path / "run"
    run.write_text("q Q0 a 1 9 m\nq Q0 b 2 5 m\np Q0 c 1 6 m\np Q0 d 2 0 m\n")
    lists = standardised(run)
    scores = [score for found in lists for score in found.scores]
    assert (np.mean(scores), np.std(scores)) == pytest.approx((0, 1))
    assert {found.query_id: found.doc_ids for found in lists} == {"q": ("a", "b"), "p": ("c", "d")}


def finished_cells(state: Path, without: str) -> None:
    from loss_grid.cells import BLOCKS

    (state / "cells").mkdir(parents=True)
    for number, cell in enumerate(cell for block in BLOCKS for cell in block):
        for seed in range(2):
            if cell.key == without and seed == 1:
                continue
            value: Any = {"nDCG@10": {"a": number / 100, "b": number / 100}, "cpu_seconds": [1, 2]}
            (state / "cells" / f"{cell.key}.{seed}.json").write_text(json.dumps(value))


def test_the_table_is_of_what_is_finished(tmp_path: Path) -> None:
    from loss_grid.plot import losses_svg
    from loss_grid.table import finished, markdown, rows_of

    finished_cells(tmp_path, without="rankgen.labels.lce")
    found, missing = finished(tmp_path, 2)
    assert missing == ["rankgen: lce on labels (1 of 2 seeds)"]
    rows = rows_of(found, {"a": 0.0, "b": 0.02})
    means = [row["nDCG@10"]["mean"] for row in rows]
    assert means == sorted(means, reverse=True)
    (reference,) = (row for row in rows if row["p_holm"] is None and row["system"] == "rankgen")
    assert reference["over_reference"]["mean"] == 0
    assert reference["over_BM25"]["mean"] == -0.01
    assert reference["over_sentence_transformers"]["mean"] == -0.04
    assert reference["cpu_seconds"] == 3
    text = markdown(rows, 0.01, missing)
    assert text.count("\n| labels, then") == sum(
        row["family"].startswith("labels, then") and row["system"] == "rankgen" for row in rows
    )
    assert "Not finished:\n\n- rankgen: lce on labels (1 of 2 seeds)\n" in text
    assert losses_svg(rows, 0.01).count("<circle") == len(rows) + 4
