"""The figures printed in arXiv 2405.07920, all of them nDCG@10."""

from __future__ import annotations

from typing import NamedTuple

from rankgen.students.paper.tirex import CORPORA, tasks_of


class Column(NamedTuple):
    """One column of a table.

    Attributes:
        tasks: The tasks that a cell is measured on.
        is_micro: Whether the cell is the mean over all queries of the tasks; otherwise it is the
            mean of the tasks' means.
    """

    name: str
    tasks: tuple[str, ...]
    is_micro: bool = True


class PaperTable(NamedTuple):
    """A table or figure of the paper.

    Attributes:
        columns: The columns from left to right.
        rows: System -> one figure per column.
        printed_means: System -> the printed "A. Mean" and "G. Mean"; empty without such columns.
        notes: Notes that a reader of the figures needs.
        reference: The system that the others are tested against where it is among yours.
    """

    about: str
    columns: tuple[Column, ...]
    rows: dict[str, tuple[float, ...]]
    printed_means: dict[str, tuple[float, float]]
    notes: tuple[str, ...]
    reference: str


def _figures(printed: str) -> dict[str, tuple[float, ...]]:
    """Returns system -> figures of lines in which two spaces end the system's name."""
    rows = (line.split("  ", maxsplit=1) for line in printed.strip().splitlines())
    return {system: tuple(float(figure) for figure in row.split()) for system, row in rows}


_DL = ("BM25 DL19", "BM25 DL20", "ColBERTv2 DL19", "ColBERTv2 DL20")
_DL_TASKS = ("bm25/dl19", "bm25/dl20", "colbertv2/dl19", "colbertv2/dl20")

TABLE_1 = PaperTable(
    about="monoELECTRA by distillation set; the top 100 of two first stages re-ranked",
    columns=tuple(Column(name, (task,)) for name, task in zip(_DL, _DL_TASKS, strict=True)),
    rows=_figures("""
first stage                        .480 .494 .732 .724
RankGPT-4                          .713 .713 .766 .793
RankZephyr                         .719 .720 .749 .798
monoELECTRA on labels              .687 .698 .739 .760
single-stage RankGPT               .696 .666 .690 .662
single-stage TWOLAR                .693 .669 .754 .730
single-stage RankZephyr BM25       .644 .622 .674 .654
single-stage RankZephyr ColBERTv2  .709 .704 .774 .754
two-stage RankGPT                  .664 .634 .477 .472
two-stage TWOLAR                   .715 .706 .763 .760
two-stage RankZephyr BM25          .672 .638 .714 .683
two-stage RankZephyr ColBERTv2     .720 .711 .768 .770
"""),
    printed_means={},
    notes=(
        "the paper tests by paired t-tests with Bonferroni's correction (p < .05), its authors' "
        "notebook with Holm's, which finds no less",
    ),
    reference="RankZephyr",
)

# Columns: Antique, Args.me, ClueWeb09, ClueWeb12, CORD-19, Cranfield, Disks4+5,
# GOV, GOV2, MEDLINE, MS MARCO, NFCorpus, Vaswani, WaPo.
TABLE_2 = PaperTable(
    about="re-rankers out of domain: TIREx, micro-averaged within a corpus",
    columns=tuple(
        Column(corpus, tuple(task.dataset_id for task in tasks_of(corpus))) for corpus in CORPORA
    ),
    rows=_figures("""
first stage        .516 .404 .177 .364 .586 .012 .436 .235 .466 .358 .487 .281 .447 .364
RankZephyr         .534 .363 .213 .303 .767 .009 .556 .294 .560 .457 .720 .314 .512 .508
monoT5-base        .510 .304 .185 .260 .688 .009 .535 .264 .486 .253 .705 .310 .306 .451
monoT5-large       .532 .337 .181 .266 .636 .010 .566 .265 .512 .313 .717 .311 .414 .492
monoT5-3b          .543 .391 .199 .279 .603 .011 .569 .289 .513 .348 .736 .324 .458 .476
monoELECTRA-base   .593 .375 .209 .295 .692 .010 .521 .264 .541 .326 .715 .306 .522 .458
monoELECTRA-large  .575 .368 .221 .313 .716 .008 .559 .288 .572 .376 .730 .316 .526 .504
"""),
    printed_means={
        "first stage": (0.367, 0.394),
        "RankZephyr": (0.437, 0.478),
        "monoT5-base": (0.376, 0.420),
        "monoT5-large": (0.397, 0.438),
        "monoT5-3b": (0.410, 0.448),
        "monoELECTRA-base": (0.416, 0.457),
        "monoELECTRA-large": (0.434, 0.475),
    },
    notes=(
        'the paper\'s "G. Mean" is the root mean square of the row, not its geometric mean',
        "Cranfield near .01 comes from query ids that did not match its judgements "
        "(ir_datasets before November 2024); a correct run is far above it",
        "your figures count a query once per task; the authors' later notebook (ECIR 2025) has "
        "other figures for Disks4+5, GOV and MEDLINE, because query ids of their tasks collide",
    ),
    reference="RankZephyr",
)

_DEPTHS = {10: (0.681, 0.733), 20: (0.704, 0.766), 50: (0.714, 0.772), 100: (0.715, 0.769)}
_QUERIES = {1_000: (0.606, 0.652), 2_000: (0.683, 0.732), 5_000: (0.705, 0.756)}

FIGURE_1 = PaperTable(
    about="two-stage monoELECTRA on parts of the set; mean of DL19 and DL20",
    columns=(
        Column("BM25", ("bm25/dl19", "bm25/dl20"), is_micro=False),
        Column("ColBERTv2", ("colbertv2/dl19", "colbertv2/dl20"), is_micro=False),
    ),
    rows={
        **{f"10000 queries depth {depth}": values for depth, values in _DEPTHS.items()},
        **{f"{queries} queries depth 100": values for queries, values in _QUERIES.items()},
    },
    printed_means={},
    notes=(
        "the paper prints Figure 1 as a plot; these figures are from its authors' notebook "
        "(webis-de/rank-distillm), where the second depth is 20, not 25 as in the text",
    ),
    reference="10000 queries depth 100",
)

# How many judged queries a track has, by the last part of a task's name.
TRACK_QUERIES = {"dl19": 43, "dl20": 54}
# The first stage of a task, by the first part of its name -> what `retrieve` calls it.
FIRST_STAGES = {"bm25": "bm25", "colbertv2": "colbert"}

TABLES = {"table1": TABLE_1, "table2": TABLE_2, "figure1": FIGURE_1}
