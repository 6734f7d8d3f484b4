"""How to score with a shipped folder: code for its card, which the tests run as it stands there."""

from __future__ import annotations

from dataclasses import dataclass

from rankgen.manifests.long_documents.rule import ChunkRule
from rankgen.manifests.long_documents.words import WORD
from rankgen.students.model.cuts import Cuts
from rankgen.students.shipping.shipped_folder import CALIBRATION, ONNX_FILE, OPENVINO_FILE

_PAIR = """query = "how do plants eat"
passages = ["Photosynthesis turns light into sugar.", "Rome was founded."]
"""


@dataclass(frozen=True)
class Loading:
    """What the code names.

    Attributes:
        name: The folder.
        cuts: Tokens after which query and passage are cut; None if pairs are cut as one.
        longest: Tokens of the longest pair.
        inputs: The graph's inputs.
        pad_id: The id of padding.
        is_openvino: Whether the graph is OpenVINO's, and not one of ONNX.
    """

    name: str
    cuts: Cuts | None
    longest: int
    inputs: tuple[str, ...]
    pad_id: int
    is_openvino: bool = False

    @property
    def program(self) -> str:
        """What computes the graph."""
        return "OpenVINO" if self.is_openvino else "ONNX Runtime"


def graph(of: Loading) -> str:
    """Scores as rankgen does, with onnxruntime or openvino, tokenizers and numpy alone."""
    package = "openvino" if of.is_openvino else "onnxruntime"
    fields = {
        "input_ids": "ids",
        "attention_mask": "attention_mask",
        "token_type_ids": "type_ids",
    }
    lines = "\n".join(
        f'    "{name}": padded([pair.{fields[name]} for pair in pairs]'
        f"{f', {of.pad_id}' if name == 'input_ids' and of.pad_id else ''}),"
        for name in of.inputs
    )
    opened = f'session = onnxruntime.InferenceSession("{of.name}/{ONNX_FILE}")'
    scores = "session.run(None, inputs)[0][:, 0]"
    if of.is_openvino:
        # Left alone, OpenVINO computes in bfloat16 where that is fast.
        opened = f"""model = openvino.compile_model(
    "{of.name}/{OPENVINO_FILE}", "CPU", {{"INFERENCE_PRECISION_HINT": "f32"}}
)"""
        scores = "model(inputs)[0][:, 0]"
    return f"""import numpy as np
import {package}
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("{of.name}/tokenizer.json")
tokenizer.no_padding()
{_encoding(of)}
{opened}


def padded(rows, fill=0):
    longest = max(map(len, rows))
    return np.array([row + [fill] * (longest - len(row)) for row in rows], dtype=np.int64)


{_PAIR}pairs = [encode(query, passage) for passage in passages]
inputs = {{
{lines}
}}
scores = {scores}"""


def _encoding(of: Loading) -> str:
    if of.cuts is None:
        return f"tokenizer.enable_truncation({of.longest})\nencode = tokenizer.encode"
    return f"""tokenizer.no_truncation()


def encode(query, passage):
    texts = [tokenizer.encode(text, add_special_tokens=False) for text in (query, passage)]
    texts[0].truncate({of.cuts.query_tokens})
    texts[1].truncate({of.cuts.passage_tokens})
    return tokenizer.post_process(*texts)

"""


def transformers(of: Loading) -> str:
    """Scores with PyTorch, pairs cut as one."""
    return f"""import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{of.name}")
model = AutoModelForSequenceClassification.from_pretrained("{of.name}").eval()
{_PAIR}inputs = tokenizer(
    [query] * len(passages),
    passages,
    truncation=True,
    max_length={of.longest},
    padding=True,
    return_tensors="pt",
)
with torch.inference_mode():
    scores = model(**inputs).logits[:, 0].numpy()"""


def sentence_transformers(of: Loading) -> str:
    """Scores with sentence-transformers, pairs cut as one."""
    return f"""from sentence_transformers import CrossEncoder

model = CrossEncoder("{of.name}", max_length={of.longest})
{_PAIR}scores = model.predict([(query, passage) for passage in passages])"""


def vllm(of: Loading) -> str:
    """Scores with vLLM, pairs cut at their end."""
    return f"""from vllm import LLM

model = LLM("{of.name}", runner="pooling", dtype="float32")
{_PAIR}outputs = model.score(
    query, passages, tokenization_kwargs={{"truncate_prompt_tokens": {of.longest}}}
)
scores = [output.outputs.score for output in outputs]"""


def vllm_server(of: Loading) -> str:
    """Starts vLLM's server, which answers under /score and /rerank."""
    return f"vllm serve {of.name} --runner pooling --dtype float32"


def chunks(rule: ChunkRule) -> str:
    """Cuts a long text as the student's training did."""
    step = rule.words - rule.overlap
    return f"""import re

WORD = re.compile({WORD.pattern!a})


def chunks(text):
    starts = [word.start() for word in WORD.finditer(text)]
    found = []
    for first in range(0, {step * rule.read}, {step}):
        begin = starts[first] if first else 0
        if first + {rule.words} >= len(starts):
            return [*found, text[begin:].strip()] if found else [text]
        found.append(text[begin : starts[first + {rule.words}]].strip())
    return found"""


def probability(of: Loading) -> str:
    """Turns a score into a probability by Platt's sigmoid; goes on after another snippet."""
    return f"""import json

import numpy as np

with open("{of.name}/{CALIBRATION}") as file:
    platt = json.load(file)["platt"]
probabilities = 1 / (1 + np.exp(-(platt["slope"] * scores + platt["intercept"])))"""
