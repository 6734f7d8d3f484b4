"""The cells of an ablation: which part of which labelled set, trained how, evaluated on what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rankgen.generator.api.ablation.settings import AblateOptions, grid_parts
from rankgen.generator.api.train_options import TrainOptions
from rankgen.generator.jobs.subsample.job import SubsampleSize, plan_subsample
from rankgen.generator.jobs.subsample.settings import SubsampleSettings
from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.manifests.run.run_directory import QRELS, RunDirectory
from rankgen.manifests.storage.object_store import open_root
from rankgen.retrieval.collections.judgements import is_catalogued
from rankgen.students.evaluation.settings import EvaluationSettings
from rankgen.students.paper.ablation import MEASURE
from rankgen.students.paper.measured_ablation import cell_folder, evaluation_folder


class JudgedSet(NamedTuple):
    """Candidates with judgements, under the name of the candidates' folder."""

    name: str
    candidates: Path
    qrels: Path


@dataclass(frozen=True)
class Cell:
    """One student of the grid.

    Attributes:
        first_stage: Name of the labelled set.
        depth: Depth of its lists.
        subsample: The part of the set that it learns from; shared by all seeds.
        size: How much that is.
        training: How it is trained.
        evaluations: How it is evaluated, by the name of the test set.
    """

    first_stage: str
    depth: int
    subsample: SubsampleSettings
    size: SubsampleSize
    training: TrainOptions
    evaluations: Mapping[str, EvaluationSettings]

    @property
    def name(self) -> str:
        """The name that users see."""
        return f"{self.training.rankings.parent.name}-seed{self.training.seed}"


def cells_of(options: AblateOptions) -> list[Cell]:
    """Returns the cells: first stages as they were named, then growing depths and queries.

    Raises:
        UsageError: A name has no candidates, a run is not finished or cannot be cut so, or a
            setting is wrong.
    """
    labelled = _named(options.rankings, "--rankings NAME=FOLDER")
    tests = _tests(options.candidates, labelled)
    return [
        cell
        for name, source in labelled.items()
        for cell in _cells(options, name, source, tests[name])
    ]


def _cells(
    options: AblateOptions, name: str, source: str, tests: Sequence[JudgedSet]
) -> Iterator[Cell]:
    run = open_root(source)
    everything = RunDirectory(run).read("rankings", ["query_id"]).num_rows
    counts = sorted(set(options.queries)) or [everything]
    depths: list[int | None] = [*sorted(set(options.depths))] or [None]
    for depth, queries in grid_parts(depths, counts, options.grid):
        folder = cell_folder(options.out, name, depth, queries)
        part = SubsampleSettings(
            rankings=run,
            out=folder / "rankings",
            queries=queries,
            depth=depth,
            seed=options.sample_seed,
        )
        size = plan_subsample(part).size
        for seed in dict.fromkeys(options.seeds or (options.seed,)):
            yield _cell(options, name, part, size, seed, tests)


def _cell(
    options: AblateOptions,
    name: str,
    part: SubsampleSettings,
    size: SubsampleSize,
    seed: int,
    tests: Sequence[JudgedSet],
) -> Cell:
    folder = part.out.parent
    training = options.part(
        TrainOptions,
        rankings=part.out,
        out=folder / f"student-seed{seed}",
        seed=seed,
        # Its settings are among the options.
        preset=None,
    )
    evaluations = {
        test.name: options.part(
            EvaluationSettings,
            candidates=test.candidates,
            qrels=test.qrels,
            students=(str(training.out),),
            rankings=(),
            out=evaluation_folder(folder, seed, test.name),
            measures=(MEASURE,),
            depth=options.evaluation_depth,
            queries="qrels",
            seed=0,
        )
        for test in tests
    }
    return Cell(name, part.depth or size.longest_list, part, size, training, evaluations)


def _named(texts: Sequence[str], form: str) -> dict[str, str]:
    """Returns name -> value of texts such as bm25=FOLDER."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not value or not name.replace("-", "").replace("_", "").isalnum():
            raise UsageError(f"'{text}' has the wrong form", f"type {form}")
        if name in found:
            raise UsageError(f"two labelled sets are called '{name}'", "rename one")
        found[name] = value
    return found


def _tests(texts: Sequence[str], labelled: Mapping[str, str]) -> dict[str, list[JudgedSet]]:
    """Returns name of a labelled set -> what its students are evaluated on."""
    found: dict[str, list[JudgedSet]] = {name: [] for name in labelled}
    for text in texts:
        ((name, value),) = _named([text], "--candidates NAME=FOLDER[,FILE]").items()
        if name not in found:
            raise UsageError(
                f"'{text}' names no labelled set '{name}'", did_you_mean(name, labelled)
            )
        folder, _, judged = value.partition(",")
        candidates = open_root(folder)
        qrels = Path(judged) if judged else candidates / QRELS
        if not is_catalogued(qrels) and not qrels.is_file():
            raise UsageError(
                f"there are no judgements {qrels}", f"add them: --candidates {name}={folder},FILE"
            )
        if any(test.name == candidates.name for test in found[name]):
            raise UsageError(
                f"two sets of candidates of '{name}' are called '{candidates.name}'",
                "rename a folder",
            )
        found[name].append(JudgedSet(candidates.name, candidates, qrels))
    for name, tests in found.items():
        if not tests:
            raise UsageError(
                f"the students of '{name}' have nothing to be evaluated on",
                f"add --candidates {name}=FOLDER",
            )
    return found
