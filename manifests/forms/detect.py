"""Which shape a source has, judged by its first row."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.manifests.forms.files.rows import first_row, holds_texts
from rankgen.manifests.forms.files.text_blocks import first_line
from rankgen.manifests.forms.registry import AUTO, FORMS, SHAPES, preset_of, shape_of
from rankgen.manifests.forms.shape import Preset, Shape, ShapeName
from rankgen.manifests.forms.shapes import trec_run
from rankgen.manifests.forms.shapes.scored_columns import listed
from rankgen.manifests.forms.shapes.scored_tables import names_columns, text_header
from rankgen.manifests.forms.sources.base import Part, Source

NO_COLUMNS: Mapping[str, str] = MappingProxyType({})


class Found(NamedTuple):
    """The form of a source.

    Attributes:
        form: Its name; that of the shape where the user named none.
        preset: What its readers have to know.
        shape: What reads it.
    """

    form: str
    preset: Preset
    shape: Shape


def find_form(form: str, source: Source, columns: Mapping[str, str] = NO_COLUMNS) -> Found:
    """Returns the form of a source.

    Args:
        form: A name of `registry.FORMS`, or "auto" to judge by the first row.
        source: The source.
        columns: Role -> the source's own name of a column; see `shape.Preset`.

    Raises:
        UsageError: There is no such form, or the first row has another one, or none.
    """
    preset = None if form == AUTO else preset_of(form)
    # Answers in a file of their own are no rows; see `prompts`.
    part = next((part for part in source.parts if not holds_texts(part)), source.parts[0])
    row = sample_row(part, columns.values())
    roles = {name: role for role, name in columns.items()}
    renamed = {roles.get(name, name): value for name, value in row.items()}
    detected = _shape_of(renamed)
    if preset is None and detected is not None:
        form, preset = detected, FORMS[detected]
    if preset is not None and shape_of(preset.shape).fits(renamed):
        preset = replace(preset, columns={**preset.columns, **columns})
        return Found(form, preset, shape_of(preset.shape))
    held = f"the first row of {part.name} has the columns {listed(list(row))}"
    for role, name in columns.items():
        if name not in row:
            raise UsageError(
                f"{held}, and not {name}, which --columns {role}={name} names",
                did_you_mean(name, row),
            )
    if preset is None:
        raise UsageError(
            f"{held}, which no form has",
            "say what they hold with --columns, or name the form, one of " + ", ".join(FORMS),
        )
    hint = f"it has the shape '{detected}'" if detected else f"the form is: {preset.about}"
    raise UsageError(f"{held}, which are not those of the form '{form}'", hint)


def sample_row(part: Part, named: Collection[str] = ()) -> Mapping[str, object]:
    """Returns the first row of a file; a line of text is a row of a run or of named columns.

    Args:
        part: The file.
        named: Names of columns, beside those that are known.

    Raises:
        UsageError: The file cannot be read, or is empty.
    """
    if part.kind != "text":
        return first_row(part).fields
    line = first_line(part)
    if not line:
        raise UsageError(f"{part.name} is empty", "name a file with at least one row")
    text = line.decode("utf-8", "replace")
    for cells in (text.split("\t"), text.split()):
        # A line with a fault is one of a run too: the reader names what is wrong with it.
        if len(cells) == len(trec_run.COLUMNS) and not names_columns(cells, named):
            return dict(zip(trec_run.COLUMNS, cells, strict=True))
    header, _ = text_header(part, named)
    return dict.fromkeys(header, "")


def _shape_of(row: Mapping[str, object]) -> ShapeName | None:
    return next((name for name in SHAPES if shape_of(name).fits(row)), None)
