"""The shape of a TREC run: `query_id Q0 doc_id rank score tag`, its lines in any order."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.accounting import Tally
from rankgen.manifests.forms.files.text_blocks import Block, blocks_of, split_exactly
from rankgen.manifests.forms.numbers import in_float_range, refuse_wide_score
from rankgen.manifests.forms.shape import SCORED_ROWS, Preset, Rows
from rankgen.manifests.forms.sources.base import Part, Source
from rankgen.manifests.text_lines import lines_in, rows_in
from rankgen.manifests.trec.run import run_line

COLUMNS = ("query_id", "q0", "doc_id", "rank", "score", "tag")


class TrecRun:
    """Reads runs; every rule of `trec.run` holds, and duplicates are left to the gathering."""

    def fits(self, row: Mapping[str, object]) -> bool:
        """Tells whether a row is a line of six columns without names."""
        return tuple(row) == COLUMNS

    def batches(self, source: Source, preset: Preset, tally: Tally) -> Iterator[Rows]:
        """Yields the lines; see `RowShape`."""
        place = 0
        for part in source.parts:
            lines = 0
            for block in blocks_of(part):
                rows = _fast(block)
                rows = _exact(part, block) if rows is None else rows
                places = pa.array(np.arange(place, place + rows.num_rows))
                place, lines = place + rows.num_rows, lines + rows.num_rows
                tally.read(rows.num_rows)
                yield Rows(rows.append_column(SCORED_ROWS.field("place"), places).cast(SCORED_ROWS))
            if not lines:
                raise UsageError(f"{part.name} is empty", "name a six-column TREC run")


def _fast(block: Block) -> pa.Table | None:
    """Returns the lines of a block; None where one may break a rule, or be odd but allowed."""
    content = block.content
    separator, other = (b"\t", b" ") if b"\t" in content[: content.find(b"\n")] else (b" ", b"\t")
    # White space that separates nothing here, or only in some lines.
    if any(odd in content for odd in (other, b"\v", b"\f")):
        return None
    read = split_exactly(block, separator, len(COLUMNS))
    if read is None:
        return None
    # Arrow takes 0x1F for a number, and no reader of runs does.
    if not pc.all(pc.ascii_is_decimal(read["c3"])).as_py():
        return None
    try:
        rank, score = read["c3"].cast(pa.int64()), read["c4"].cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    has_empty = any(pc.any(pc.equal(read[name], "")).as_py() for name in ("c0", "c2"))
    if has_empty or not in_float_range(score):
        return None
    columns = {"query_id": read["c0"], "doc_id": read["c2"], "score": score, "rank": rank}
    return pa.table(columns, schema=pa.schema([SCORED_ROWS.field(name) for name in columns]))


def _exact(part: Part, block: Block) -> pa.Table:
    rows = []
    lines = lines_in(io.BytesIO(block.content), part.name, block.first)
    for number, columns in rows_in(lines, part.name, (len(COLUMNS),)):
        line = run_line(part.name, number, columns)
        refuse_wide_score(f"{part.name} line {number}", line.score)
        rows.append((line.query_id, line.doc_id, line.score, line.rank))
    names = ("query_id", "doc_id", "score", "rank")
    columns_of = list(zip(*rows, strict=True)) or [(), (), (), ()]
    fields = [SCORED_ROWS.field(name) for name in names]
    arrays = [pa.array(c, f.type) for c, f in zip(columns_of, fields, strict=True)]
    return pa.table(arrays, schema=pa.schema(fields))


SHAPE = TrecRun()
