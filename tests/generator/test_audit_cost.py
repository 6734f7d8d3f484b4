"""`rankgen audit` of a run with `--max-cost`: the cap holds for its three labellings together."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulty_server import answer, serving
from one_shard import clean
from test_cost_cap import ANSWER, capped, most_of_a_window, windows_of, write_lists

from rankgen.generator.engines.cost.purse import CostCapReached
from rankgen.generator.jobs.label.audit import audit
from rankgen.generator.jobs.label.job import label
from rankgen.generator.jobs.label.relabel import relabel
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.manifests.run.run_directory import RunDirectory

pytest.importorskip("openai")

QUERIES, WINDOWS = 4, 2


@pytest.mark.usefixtures("one_ray")
def test_the_labellings_of_an_audit_share_the_cap(tmp_path: Path) -> None:
    write_lists(tmp_path / "candidates", QUERIES)
    calls = QUERIES * WINDOWS
    is_garbled: list[bool] = []
    with serving(lambda request, seen: answer("no") if is_garbled else clean()) as server:
        # Each labelling alone would fit.
        cap = most_of_a_window(tmp_path / "probe") + 1.5 * calls * ANSWER
        prices = {"price_in": 1e6, "price_out": 2e6, "max_cost": cap, "concurrency": 1}
        settings = LabelRunSettings(
            candidates=tmp_path / "candidates",
            teacher=capped(server, **prices).resolved(),
            out=tmp_path / "labels",
            shards=1,
        )
        label(settings)
        before = len(windows_of(server))
        assert before == calls
        with pytest.raises(CostCapReached, match="share the run's --max-cost") as reached:
            audit(RunDirectory(settings.out), QUERIES)
        spent = (len(windows_of(server)) - before) * ANSWER
        # Labelling again has the run's cap too, which answers without a ranking use up.
        is_garbled.append(True)
        with pytest.raises(CostCapReached, match="has the cap that the run was given") as again:
            relabel(RunDirectory(settings.out), QUERIES)
        assert again.value.hint == f"rankgen verify {settings.out} --relabel 2"
    assert calls * ANSWER < spent <= cap
    assert reached.value.hint == f"rankgen audit {settings.out} --queries 2"
