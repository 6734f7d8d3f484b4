"""How re-rankers that are language models are shown a query and a passage, and how they answer.

Every prompt is that of the model's own reference code; a model that is asked in other words gives
other scores, and no error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.manifests.models.model_names import name_parts, says_t5
from rankgen.manifests.storage.digest import sha256_of_value

PairPromptName = Literal[
    "monot5", "rankt5", "duot5", "qwen3-reranker", "mxbai-rerank-v2", "bge-reranker-gemma"
]
# "log odds" is the logit of yes minus that of no, "log probability" that of yes among the two, and
# "logit" that of yes alone.
AnswerScore = Literal["log odds", "log probability", "logit"]
_IDENTITY = (
    *("before", "passage", "after", "joined", "special", "task", "instruction"),
    *("yes", "no", "is_vocabulary", "score"),
)
_PLACE = re.compile(r"\{(task|query|passage|other)\}")


@dataclass(frozen=True)
class PairPrompt:
    """A prompt about one pair, in parts that are tokenised one by one and then joined.

    Attributes:
        name: Its name for users.
        architectures: The classes of config.json that it belongs to, as a regular expression.
        names: What the names of its models have in them, likewise, in lower case; None where the
            class alone tells.
        passage: The part with the passage, which is cut when the whole is too long.
        before: The parts before it; the one with the query is cut at three quarters of the room.
        after: The parts after it, which are never cut.
        joined: Between the passage's part and those after it where they are one text to the
            tokenizer.
        special: Whether the tokenizer's first token ("bos") or last one ("eos") is added.
        task: Text around an instruction; it stands at "{task}" and nowhere without an instruction.
        instruction: The instruction that the model was trained with; None without one.
        yes: The token whose logit is the answer.
        no: The token it is compared with; None for a score that is the logit of `yes`.
        is_vocabulary: Whether `yes` and `no` are entries of the vocabulary, not texts that the
            tokenizer turns into one token.
        score: What is made of the logits.
        max_length: Tokens in all, where the user does not say; see `cuts_pair`.
        cuts_pair: Whether `max_length` is that of query and passage, from the query's part on,
            without what stands before and after them.
        source: Whose prompt it is.
    """

    name: PairPromptName
    architectures: str
    names: str | None
    passage: str
    yes: str
    no: str | None
    score: AnswerScore
    source: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    joined: str | None = None
    special: Literal["bos", "eos"] | None = None
    task: str = ""
    instruction: str | None = None
    is_vocabulary: bool = False
    max_length: int = 512
    cuts_pair: bool = False

    @property
    def sha256(self) -> str:
        """Identifies everything that changes scores: the words, the answers and the formula."""
        values = {name: getattr(self, name) for name in _IDENTITY}
        return sha256_of_value(values)

    def text(self, part: str, texts: Mapping[str, str]) -> str:
        """Returns a part with its texts, "query", "passage" and "other", put in."""
        task = self.task.replace("{instruction}", self.instruction or "")
        values = {**texts, "task": task if self.instruction else ""}
        # In one step, so that braces within a text stay what they are.
        return _PLACE.sub(lambda place: values[place[1]], part)

    def with_instruction(self, instruction: str | None) -> PairPrompt:
        """Returns the prompt with another instruction; None keeps its own.

        Raises:
            UsageError: It has no place for one.
        """
        if instruction is None:
            return self
        if not self.task:
            raise UsageError(
                f"the prompt '{self.name}' has no place for an instruction",
                "leave --instruction out",
            )
        return replace(self, instruction=instruction)


_T5 = r"(MT5|UMT5|T5)ForConditionalGeneration"
PAIR_PROMPTS: dict[str, PairPrompt] = {
    prompt.name: prompt
    for prompt in (
        PairPrompt(
            "duot5",
            architectures=_T5,
            names=r"duo[-_]?(pt|m)?t5",
            passage="Query: {query} Document0: {passage} Document1: {other}",
            after=("Relevant:",),
            joined=" ",
            special="eos",
            yes="▁true",
            no="▁false",
            is_vocabulary=True,
            score="log probability",
            source="Pradeep et al., arXiv 2101.05667",
        ),
        PairPrompt(
            "rankt5",
            architectures=_T5,
            names=r"rank[-_]?t5",
            passage="Query: {query} Document: {passage}",
            special="eos",
            yes="<extra_id_10>",
            no=None,
            is_vocabulary=True,
            score="logit",
            source="Zhuang et al., arXiv 2210.10634",
        ),
        PairPrompt(
            "monot5",
            architectures=_T5,
            names=None,
            passage="Query: {query} Document: {passage}",
            after=("Relevant:",),
            joined=" ",
            special="eos",
            yes="▁true",
            no="▁false",
            is_vocabulary=True,
            score="log probability",
            source="Nogueira et al., arXiv 2003.06713",
        ),
        PairPrompt(
            "qwen3-reranker",
            architectures=r"Qwen3ForCausalLM",
            names=r"qwen3[-_]?reranker",
            before=(
                "<|im_start|>system\nJudge whether the Document meets the requirements based on "
                "the Query and the Instruct provided. Note that the answer can only be "
                '"yes" or "no".<|im_end|>\n<|im_start|>user\n',
            ),
            passage="{task}<Query>: {query}\n<Document>: {passage}",
            after=("<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",),
            task="<Instruct>: {instruction}\n",
            instruction=(
                "Given a web search query, retrieve relevant passages that answer the query"
            ),
            yes="yes",
            no="no",
            score="log odds",
            max_length=8192,
            source="the card of Qwen/Qwen3-Reranker-0.6B",
        ),
        PairPrompt(
            "mxbai-rerank-v2",
            architectures=r"Qwen2ForCausalLM",
            names=r"mxbai[-_]?rerank",
            before=(
                "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful "
                "assistant.<|im_end|>\n<|im_start|>user\n",
                "{task}query: {query}",
                "\n",
            ),
            passage="document: {passage}",
            after=(
                "\n",
                "You are a search relevance expert who evaluates how well documents match search "
                "queries. For each query-document pair, carefully analyze the semantic "
                "relationship between them, then provide your binary relevance judgment (0 for "
                "not relevant, 1 for relevant).\nRelevance:",
                "<|im_end|>\n<|im_start|>assistant\n",
            ),
            task="instruction: {instruction}\n",
            yes="1",
            no="0",
            score="log odds",
            max_length=8192,
            cuts_pair=True,
            source="github.com/mixedbread-ai/mxbai-rerank",
        ),
        PairPrompt(
            "bge-reranker-gemma",
            architectures=r"Gemma2?ForCausalLM",
            names=r"bge[-_]?reranker",
            before=("A: {query}", "\n"),
            passage="B: {passage}",
            after=("\n", "{task}"),
            special="bos",
            task="{instruction}",
            instruction=(
                "Given a query A and a passage B, determine whether the passage contains an "
                "answer to the query by providing a prediction of either 'Yes' or 'No'."
            ),
            yes="Yes",
            no=None,
            score="logit",
            max_length=1024,
            cuts_pair=True,
            source="the card of BAAI/bge-reranker-v2-gemma",
        ),
    )
}
# Relatives of monoT5 in other languages answer in words of their own.
_OTHER_WORDS = (
    (r"monoptt5", "▁Sim", "▁Não"),
    (r"ptt5", "▁sim", "▁não"),
    (r"mt5-base", "▁yes", "▁no"),
)


def pair_prompt_named(name: str) -> PairPrompt:
    """Returns a prompt by its name.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in PAIR_PROMPTS:
        raise UsageError(f"there is no pair prompt '{name}'", did_you_mean(name, PAIR_PROMPTS))
    return PAIR_PROMPTS[name]


def in_own_words(prompt: PairPrompt, named: str) -> PairPrompt:
    """Returns a T5's prompt with the answers that a model of this name was trained to give."""
    if prompt.name == "monot5":
        for part in name_parts(named):
            for names, yes, no in _OTHER_WORDS:
                if re.search(names, part):
                    return replace(prompt, yes=yes, no=no)
            if says_t5(part):
                break
    return prompt
