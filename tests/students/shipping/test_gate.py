"""When the gate of `ship` can say nothing, and what a repeated command compares."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.manifests import notices
from rankgen.manifests.errors import UsageError
from rankgen.students.evaluation.significance import randomisation_test, smallest_p
from rankgen.students.shipping.settings import ShipSettings
from rankgen.students.shipping.ship import ship
from rankgen.students.shipping.shipped_before import shipped_before
from rankgen.students.shipping.shipped_folder import RECORD
from rankgen.students.soup.soup_folder import held_soup


def asked_for(student: Path, out: Path, **values: object) -> ShipSettings:
    return ShipSettings.model_validate({"student": str(student), "out": out, **values})


@pytest.mark.parametrize("queries", [1, 2, 5, 6, 13, 14, 40])
def test_no_test_has_a_smaller_p(queries: int) -> None:
    better = np.linspace(0.5, 1, queries)
    found = randomisation_test(better, better - 0.4, 10_000, seed=0)
    # Beyond 13 queries patterns are drawn, and chance finds some that are as extreme.
    assert smallest_p(queries) <= (1.0 if found is None else found) * (1 + 1e-9)
    if 1 < queries < 14:
        assert smallest_p(queries) == pytest.approx(found)


def test_int8_is_not_shipped_on_queries_that_cannot_show_a_loss(
    student: Path, judged: dict[str, Path], tmp_path: Path
) -> None:
    few = asked_for(student, tmp_path / "new", format="onnx-int8", max_queries=5, **judged)
    with pytest.raises(
        UsageError, match=r"5 queries cannot show a loss: .* p is 0\.062"
    ) as refused:
        ship(few)
    assert "--accept-loss" in (refused.value.hint or "")
    assert not few.out.exists()
    for change in ({"max_queries": 6}, {"accept_loss": True}, {"significance": 0.1}):
        planned = ship(few.model_copy(update={**change, "dry_run": True}))
        assert planned.pairs == 6 * planned.queries


def test_judgements_of_other_documents_do_not_open_the_gate(
    student: Path, judged: dict[str, Path], tmp_path: Path
) -> None:
    lines = judged["qrels"].read_text().splitlines()
    judged["qrels"].write_text("".join(f"{line.replace(' d', ' doc')}\n" for line in lines))
    with pytest.raises(UsageError, match=r"no candidate of .* is judged relevant"):
        ship(asked_for(student, tmp_path / "new", dry_run=True, **judged))


@pytest.mark.usefixtures("exported")
def test_what_it_is_compared_on_is_told_by_its_content(
    student: Path, judged: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notices.warn.cache_clear()
    asked = asked_for(student, tmp_path / "new", relevant_from=3, **judged)
    shipped = ship(asked)
    # No grade is that high.
    assert shipped.calibration is None
    assert "no calibration was fitted" in capsys.readouterr().err
    card = (asked.out / "README.md").read_text(encoding="utf-8")
    assert "Too few candidates were judged relevant" in card
    assert ship(asked).was_finished
    with judged["qrels"].open("a") as file:
        file.write("q07 0 d7-5 1\n")
    with pytest.raises(UsageError, match="is not what this command ships"):
        ship(asked)
    # Records of earlier versions know the paths alone.
    record = json.loads((asked.out / RECORD).read_text())
    del record["asked"]["compared_sha256"]
    (asked.out / RECORD).write_text(json.dumps(record))
    assert shipped_before(asked) is not None


def test_the_working_directory_is_not_replaced(
    student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["ship", str(student), "--out", "."])
    assert (done.exit_code, "is the working directory" in done.stderr) == (2, True)
    with pytest.raises(UsageError, match="is the working directory"):
        held_soup(Path(), {})
    assert list(tmp_path.iterdir()) == []
