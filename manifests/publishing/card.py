"""The card of a published data set, README.md: how to load it, what is in it, where it is from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rankgen.manifests.counted import counted
from rankgen.manifests.publishing.card_tables import (
    PAPER,
    columns_table,
    facts_table,
    files_table,
    front_matter,
    table,
)
from rankgen.manifests.publishing.layout import PublishedFile
from rankgen.manifests.publishing.licence import Licence
from rankgen.manifests.publishing.origin import Origin
from rankgen.manifests.publishing.snippets import Place, fetching, snippets
from rankgen.manifests.publishing.source import TEXTS, Source
from rankgen.manifests.publishing.statement import public
from rankgen.manifests.teacher_scores import FACT

MADE_BY = {
    "label": "a teacher's rankings of each query's candidates, to train small re-rankers on",
    "retrieve": "the candidates that a first stage found for each query",
    "rerank": "candidates in the order of a student",
    "import": "rankings that others published, imported with `rankgen import`",
    "subsample": "a part of a larger set of rankings",
    "mix": "the rankings of several teachers, mixed into one",
    "negatives": "judged queries with relevant passages and hard negatives, to train on",
}
# A recipe's rows that say nothing to a reader.
_DIGESTS = ("_sha256",)


@dataclass(frozen=True)
class CardContent:
    """What a card tells of."""

    place: Place
    source: Source
    origin: Origin
    files: Sequence[PublishedFile]
    licence: Licence | None
    citation: str | None

    @property
    def configs(self) -> tuple[str, ...]:
        """The configurations, the default first."""
        return tuple(dict.fromkeys(file.config for file in self.files))


def card(content: CardContent) -> str:
    """Returns the card; it depends on the data set alone, and not on when or where it is made."""
    source, configs = content.source, content.configs
    head = front_matter(
        content.place.name, configs, content.licence, source.rows_of(source.plan.tables[0])
    )
    about = MADE_BY.get(source.plan.kind, f"the result of `rankgen {source.plan.kind}`")
    sections = [
        head,
        f"# {content.place.name}",
        f"{counted(source.queries, 'query')}: {about}. Made and published by rankgen.",
        *_outcome(content),
        "## Load it",
        *_loading(content),
        "## What is in it",
        files_table(content.files),
        "Lists are in order, best first, so rank = position + 1. Ids are text, exactly as the "
        "collection writes them: `007` is not `7`.",
        *_columns(configs),
        *_scores(content),
        "## Texts",
        _texts(content),
        "## How it was made",
        *_provenance(content),
        "## Licence",
        _licence(content),
        "## Citation",
        *_citation(content),
        "## Check it",
        "`sha256sum -c SHA256SUMS` in this folder, or `rankgen verify` with its name, compares "
        "every file with its checksum. `manifest.json` names the data files with their SHA-256, "
        "the recipe and every query that is missing.",
    ]
    return "\n\n".join(sections) + "\n"


def _outcome(content: CardContent) -> list[str]:
    source, said = content.source, []
    if not source.is_finished:
        said.append(
            f"**This is a part.** {source.committed:,} of {counted(source.plan.shards, 'shard')} "
            "of the run were finished when it was published."
        )
    if source.quarantined:
        said.append(
            f"**{len(source.quarantined):,} of {source.plan.queries:,} planned queries are not in "
            "it**, because they failed; `manifest.json` names each with its reason, under "
            "`quarantined`."
        )
    elif source.is_finished:
        said.append("Every planned query is in it.")
    return said


def _loading(content: CardContent) -> list[str]:
    place, config = content.place, content.configs[0]
    fetch = fetching(place)
    pieces = [*([fetch] if fetch else []), *snippets(place, config)]
    said = [f"{piece.title}:\n\n```python\n{piece.code}\n```" for piece in pieces]
    if config == "rankings" and "documents" in content.configs:
        said.append(
            "Train a re-ranker on it:\n\n```\nrankgen train-student --rankings "
            f"{place.as_run} --out student\n```"
        )
    return said


def _columns(configs: Sequence[str]) -> list[str]:
    return [f"### `{config}`\n\n{columns_table(config)}" for config in configs]


def _scores(content: CardContent) -> list[str]:
    facts = public(content.source.facts.get(FACT))
    if not isinstance(facts, dict):
        return []
    return [
        f'Teacher scores are of the unit "{facts.get("unit")}" and from {facts.get("source")}. '
        "`scores` has the columns of the public re-ranked sets of lightonai and cross-encoder, but "
        "ids that are text."
        if "scores" in content.configs
        else ""
    ]


def _texts(content: CardContent) -> str:
    named = content.origin.collection
    collection = f"`{public(named)}`" if named else "the collection that it was made from"
    if set(TEXTS) <= set(content.configs):
        return (
            f"`queries` and `documents` hold every text once, as {collection} has it. They keep "
            "the licence of that collection."
        )
    said = (
        "This data set holds ids and no texts, because those are not the publisher's to give away; "
        "answers of the teacher that might repeat them are left out too (`output_text` is null). "
        f"They are in {collection}; join them by `query_id` and `doc_id`."
    )
    if "rankings" not in content.configs:
        return said
    return (
        f"{said} To train on it, make a run of it that has them, and then name that run:\n\n"
        f"```\nrankgen import lists {_import_source(content)} --out run\n"
        "rankgen train-student --rankings run --out student\n```"
    )


def _import_source(content: CardContent) -> str:
    """Returns what `rankgen import` is told of the data set, of its scores and of its texts."""
    place, named = content.place, content.origin.collection
    at = f"{place.as_run}:rankings" if place.kind == "hub" else f"{place.name} --config rankings"
    facts = content.source.facts.get(FACT)
    word = str(facts["unit"]).replace(" ", "-") if isinstance(facts, dict) else None
    unit = "" if word is None else f" --score-unit {word}"
    return f"{at}{unit} --collection {public(named) if named and ':' in named else 'COLLECTION'}"


def _provenance(content: CardContent) -> list[str]:
    source, first_stage = content.source, content.origin.first_stage
    recipe = public(dict(source.plan.recipe))
    said = [f"Recipe of `rankgen {source.plan.kind}`:\n\n{facts_table(_told(recipe))}"]
    said += _made_from(public(dict(source.facts)))
    if first_stage is not None and source.plan.kind != "retrieve":
        said.append(f"First stage:\n\n{facts_table(_told(public(first_stage)))}")
    elif source.plan.kind not in ("retrieve", "import"):
        said.append("The run that found the candidates was not at hand when this was published.")
    counts = table(("counted", ""), ((name, f"{n:,}") for name, n in source.counts.items()))
    said.append(counts)
    if "windows" in content.configs and source.queries and "windows" in source.counts:
        each = source.counts["windows"] / source.queries
        strategy, top = (source.plan.recipe.get(name) for name in ("strategy", "top"))
        # A sliding window, or a run of a kind without a strategy.
        is_usual = strategy in ("sliding", None)
        chosen = "" if is_usual else f", chosen by `{strategy}` to order the top {top}"
        said.append(
            f"The teacher was shown {each:.1f} windows a query{chosen}. `windows` holds the "
            "evidence: which passages it saw together, and which answers were repaired. The order "
            "of two passages that no window held together follows from others, or from the first "
            "stage."
        )
    if keep_top := source.plan.recipe.get("keep_top"):
        said.append(
            f"The top {keep_top} of each list are in the teacher's order; the candidates below "
            "them are in `unranked`, because their order is not known."
        )
    software = source.facts.get("software")
    if isinstance(software, dict):
        said.append(f"Software:\n\n{facts_table(software)}")
    return said


def _made_from(facts: object) -> list[str]:
    """Returns what an import was read from, and the runs that a part or a mixture is made of."""
    held = facts if isinstance(facts, dict) else {}
    made_from, mixed = held.get("source"), held.get("sources")
    if isinstance(made_from, str):
        return [f"Imported from `{made_from}`, read as `{held.get('form')}`."]
    runs = [("It is a part of a run", made_from)]
    runs += [("One of the runs in it is", run) for run in mixed] if isinstance(mixed, list) else []
    return [_run_before(words, run) for words, run in runs if isinstance(run, dict)]


def _run_before(words: str, run: dict[str, object]) -> str:
    recipe, said = _told(run.get("recipe")), f"{words} of the kind `{run.get('kind')}`"
    return f"{said}, with the recipe:\n\n{facts_table(recipe)}" if recipe else f"{said}."


def _told(recipe: object) -> dict[str, object]:
    """Returns the recipe without what is off or empty, digests last."""
    values = recipe if isinstance(recipe, dict) else {}
    given = [name for name, value in values.items() if value not in (None, [], {})]
    names = sorted(given, key=lambda name: (name.endswith(_DIGESTS), name))
    return {name: values[name] for name in names}


def _licence(content: CardContent) -> str:
    if content.licence is None:
        return "The publisher has stated no licence; ask before you build on it."
    texts = " It covers the texts too." if set(TEXTS) <= set(content.configs) else ""
    return f"{content.licence.notice}{'' if content.licence.id is None else '.'}{texts}"


def _citation(content: CardContent) -> list[str]:
    said = ["The recipe of distilling rankings of LLMs into cross-encoders is from:"]
    said.append(f"```bibtex\n{PAPER}\n```")
    own = content.citation
    said.append(
        f"This data set:\n\n```bibtex\n{own.strip()}\n```"
        if own
        else "<!-- The publisher's own: name a BibTeX file with `rankgen publish --citation`. -->"
    )
    return said
