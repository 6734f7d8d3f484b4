"""The card of a shipped folder: who serves it and how, what it cuts, what was lost."""

from __future__ import annotations

from dataclasses import dataclass

from rankgen.manifests.long_documents.rule import ChunkRule
from rankgen.students.shipping import snippets
from rankgen.students.shipping.calibration import Calibration
from rankgen.students.shipping.quality import Quality
from rankgen.students.shipping.servers import Servers
from rankgen.students.shipping.shipped_folder import CALIBRATION, graph_files
from rankgen.students.shipping.truncation import Truncation


@dataclass(frozen=True)
class CardContent:
    """What a card tells of.

    Attributes:
        student: The student's name or folder's name.
        weight_bits: 32, or 8 or 7 of quantised weights.
        megabytes: Size of the graph's file and of the student's weights.
        export_difference: Between the scores of the exported graph, in 32 bits, and the student's.
        quality: None where nothing was compared.
        calibration: None where nothing could be fitted.
        truncation: None without a validation set.
        long_documents: How the student reads documents in chunks; None if it cuts them.
        is_judged: Whether it was compared on judgements.
    """

    loading: snippets.Loading
    student: str
    weight_bits: int
    megabytes: tuple[float, float]
    servers: Servers
    export_difference: float
    quality: Quality | None
    calibration: Calibration | None
    truncation: Truncation | None
    long_documents: ChunkRule | None = None
    is_judged: bool = False

    @property
    def is_int8(self) -> bool:
        """Whether the graph is quantised."""
        return self.weight_bits < 32


def card(content: CardContent) -> str:
    """Returns the card as Markdown, with the front matter that the Hugging Face Hub reads."""
    of = content.loading
    sections = [
        _FRONT_MATTER.format("openvino" if of.is_openvino else "onnx"),
        f"# {of.name}",
        f"The cross-encoder {content.student}, shipped with rankgen as {_what(content)}. It "
        "returns one logit per (query, passage) pair; higher is better.",
        "## Who serves it",
        _table(content),
        *_ways(content),
        "## What it cuts",
        _cuts(content),
        *_long_documents(content),
        "## What was lost",
        _quality(content),
        "## Probabilities",
        _calibration(content),
        "`shipped.json` holds the figures above and digests.",
    ]
    return "\n\n".join(sections) + "\n"


_FRONT_MATTER = """---
pipeline_tag: text-ranking
library_name: transformers
tags:
- cross-encoder
- {}
- reranker
- rankgen
---"""


def _what(content: CardContent) -> str:
    graph, weights = content.megabytes
    if content.is_int8:
        return (
            f"ONNX with int8 weights of {content.weight_bits} bits ({graph:,.1f} MB, where its "
            f"weights in 32 bits are {weights:,.1f} MB)"
        )
    form = "OpenVINO's own form" if content.loading.is_openvino else "ONNX"
    return f"{form} in 32 bits ({graph:,.1f} MB)"


def _table(content: CardContent) -> str:
    of, servers = content.loading, content.servers
    by_torch = "yes" if servers.by_transformers else "no: its head is not one of transformers"
    if servers.by_vllm is None:
        by_vllm = "unknown: vLLM was not installed where this was made"
    elif servers.by_vllm:
        by_vllm = f"yes: vLLM {servers.vllm} has its architecture"
    else:
        by_vllm = f"no: vLLM {servers.vllm} lacks its architecture"
    rows = [
        f"| {of.program} | `{_graph_file(of)}` | yes |",
        f"| transformers | `model.safetensors` | {by_torch} |",
        f"| sentence-transformers | `model.safetensors` | {by_torch} |",
        f"| vLLM | `model.safetensors` | {by_vllm} |",
    ]
    said = "\n".join(["| program | reads | serves it |", "|---|---|---|", *rows])
    if content.is_int8:
        said += "\n\n`model.safetensors` is the student in 32 bits; only the ONNX file is int8."
    return said


def _ways(content: CardContent) -> list[str]:
    of, servers = content.loading, content.servers
    ways = [(f"{of.program}, cut as rankgen does", snippets.graph(of))]
    if servers.by_transformers:
        ways.append(("transformers", snippets.transformers(of)))
        ways.append(("sentence-transformers", snippets.sentence_transformers(of)))
    if servers.by_vllm:
        ways.append(("vLLM", snippets.vllm(of)))
    said = [f"{title}:\n\n```python\n{code}\n```" for title, code in ways]
    if servers.by_vllm:
        said.append(f"vLLM as a server:\n\n```bash\n{snippets.vllm_server(of)}\n```")
    return [
        *said,
        f"`rankgen rerank` and `rankgen evaluate` with `--student {of.name}` score with "
        f"`{_graph_file(of)}`.",
    ]


def _graph_file(of: snippets.Loading) -> str:
    return graph_files("openvino" if of.is_openvino else "onnx")[0]


def _cuts(content: CardContent) -> str:
    of = content.loading
    if of.cuts is None:
        return (
            f"Pairs are cut after {of.longest} tokens, the longer text first, by rankgen and by "
            "servers alike."
        )
    said = (
        f"rankgen cuts a query after {of.cuts.query_tokens} tokens and a passage after "
        f"{of.cuts.passage_tokens}. Servers have one `max_length` for both together, "
        f"{of.longest} here (the tokenizer's own too), and cut the longer text first. Both read "
        "the same tokens, and scores are equal, wherever neither text is longer than its own cut; "
        "elsewhere scores differ, and rankgen's are those of the training. The code for "
        f"{of.program} above cuts as rankgen does."
    )
    if content.truncation is not None:
        found = content.truncation
        said += (
            f"\n\nOf the {found.pairs:,} pairs it was compared on, {found.whole_pairs:,} "
            f"({found.whole_pairs / max(1, found.pairs):.1%}) are read the same by both."
        )
    return said


def _long_documents(content: CardContent) -> list[str]:
    rule = content.long_documents
    if rule is None:
        return []
    score = {"first": "its score", "max": "the highest score", "mean": "the mean of the scores"}
    return [
        f"Of a document that is longer than a chunk, {rule.in_words()} counts: so the student was "
        "trained, and so `rankgen rerank` and `rankgen evaluate` score. The model and servers "
        "score one chunk. Cut the text by the code below, put the title and a space before each "
        f"chunk, score each as a passage, and take {score[rule.counts]}. (A title of more than a "
        "quarter of a chunk's words is cut as the beginning of the text.)",
        f"```python\n{snippets.chunks(rule)}\n```",
    ]


def _quality(content: CardContent) -> str:
    said = (
        f"The graph in 32 bits returns the student's scores to {content.export_difference:.1g} "
        "on made-up pairs, the shortest and longest among them."
    )
    if content.is_int8:
        said += (
            " Rounded to int8, a pair's score also depends a little on the pairs that are scored "
            "with it, because the largest activation of a batch sets the steps of all."
        )
    quality = content.quality
    if quality is None:
        return f"{said} Nothing was compared on real texts."
    p = "not testable on one query" if quality.p is None else f"p {quality.p:.3g}"
    return (
        f"{said}\n\n| on {quality.source} | nDCG@10 |\n|---|---|\n"
        f"| student | {quality.student:.4f} |\n| shipped | {quality.shipped:.4f} |\n\n"
        f"Paired randomisation test: {p}. Scores of {quality.pairs:,} pairs differ by "
        f"{quality.mean_score_difference:.2g} on average and by "
        f"{quality.largest_score_difference:.2g} at most; "
        f"{quality.same_top_10:.1%} of the student's first ten are among the shipped model's."
    )


def _calibration(content: CardContent) -> str:
    found = content.calibration
    if found is None and content.is_judged:
        return (
            "Too few candidates were judged relevant, or not relevant, to fit probabilities on; "
            "the scores are logits."
        )
    if found is None:
        return "There were no judgements to fit probabilities on; the scores are logits."
    brier = found.brier_on_other_queries
    rows = "\n".join(f"| {name.replace('_', ' ')} | {value:.4f} |" for name, value in brier.items())
    return (
        f"`{CALIBRATION}` turns logits into the probability of a grade of {found.relevant_from} "
        f"or more, fitted on {found.pairs:,} candidates of {found.queries:,} queries "
        f"({found.base_rate:.1%} relevant; unjudged ones were {found.unjudged}). It is right for "
        "candidates like those. Ranking needs none of it: use the logits.\n\n"
        f"```python\n{snippets.probability(content.loading)}\n```\n\n"
        "Mean squared error on queries that a half of the others was fitted on:\n\n"
        f"| | error |\n|---|---|\n{rows}"
    )
