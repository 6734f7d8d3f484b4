"""Pieces of a published data set's card: its front matter, its tables, its citation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from rankgen.manifests.column_meanings import COLUMN_MEANINGS
from rankgen.manifests.publishing.layout import PublishedFile, schema_of
from rankgen.manifests.publishing.licence import Licence

# The Hub's names for how large a data set is, by its most rows.
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
)
PAPER = """@inproceedings{schlatt:2025,
  author    = {Ferdinand Schlatt and Maik Fr{\\"o}be and Harrisen Scells and Shengyao Zhuang and
               Bevan Koopman and Guido Zuccon and Benno Stein and Martin Potthast and
               Matthias Hagen},
  title     = {{Rank-DistiLLM: Closing the Effectiveness Gap Between Cross-Encoders and LLMs for
               Passage Re-ranking}},
  booktitle = {Advances in Information Retrieval, 47th European Conference on IR Research
               (ECIR 2025)},
  publisher = {Springer},
  year      = {2025},
  doi       = {10.1007/978-3-031-88714-7_31},
  eprint    = {2405.07920},
  archivePrefix = {arXiv}
}"""


def front_matter(name: str, configs: Sequence[str], licence: Licence | None, rows: int) -> str:
    """Returns the YAML that the Hub and `datasets` read, between its two lines of dashes.

    Args:
        name: The name of the data set.
        configs: Its configurations, the default first.
        licence: Its licence, if one was stated.
        rows: The number of rows of the default configuration.
    """
    size = next((word for most, word in _SIZES if rows < most), "100M<n<1B")
    lines = ["---", *_licence_lines(licence), f"pretty_name: {json.dumps(name)}"]
    lines += ["task_categories:", "- text-ranking", "size_categories:", f"- {size}", "tags:"]
    lines += [f"- {tag}" for tag in ("rankgen", "re-ranking", "distillation", "cross-encoder")]
    lines.append("configs:")
    for config in configs:
        lines += [f"- config_name: {config}", "  data_files:", "  - split: train"]
        lines.append(f"    path: {config}/train-*.parquet")
        lines += ["  default: true"] if config == configs[0] else []
    return "\n".join([*lines, "---"])


def _licence_lines(licence: Licence | None) -> list[str]:
    if licence is None:
        return []
    if licence.hub_id != "other":
        return [f"license: {licence.hub_id}"]
    name = (licence.id or "see-the-card").lower()
    return ["license: other", f"license_name: {json.dumps(name)}"]


def columns_table(config: str) -> str:
    """Returns the table of a configuration's columns: name, type and meaning."""
    meanings = COLUMN_MEANINGS[config]
    return table(
        ("column", "type", "meaning"),
        (
            (f"`{field.name}`", f"`{_type_of(field)}`", meanings[field.name])
            for field in schema_of(config)
        ),
    )


def files_table(files: Sequence[PublishedFile]) -> str:
    """Returns the table of the configurations: files and rows."""
    rows = []
    for config in dict.fromkeys(file.config for file in files):
        own = [file for file in files if file.config == config]
        count = "" if config == "scores" else f"{sum(f.end - f.start for f in own):,}"
        rows.append((f"`{config}`", f"{len(own):,}", count or "those of `rankings` with scores"))
    return table(("configuration", "files", "rows"), rows)


def facts_table(facts: Mapping[str, object]) -> str:
    """Returns a table of names and values; those without a value are left out."""
    rows = ((name, f"`{_shown(value)}`") for name, value in facts.items() if value is not None)
    return table(("", ""), rows)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table."""
    lines = [heads, ["---"] * len(heads), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _type_of(field: pa.Field) -> str:
    kind = f"list<{field.type.value_type}>" if pa.types.is_list(field.type) else str(field.type)
    return f"{kind} or null" if field.nullable else kind
