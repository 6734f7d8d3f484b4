"""Tokenizers of listwise teachers: a Hugging Face one, or RankZephyr's without any download."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rankgen.generator.answers.answer_text import opens_thought
from rankgen.generator.answers.outcomes import TeacherFailure
from rankgen.generator.prompts.chat_format import (
    ZEPHYR_FORMAT,
    ChatForm,
    Turn,
    find_chat_form,
    zephyr_text,
)
from rankgen.generator.prompts.profiles import ChatMessage
from rankgen.manifests.errors import EnvironmentProblem, UsageError, reason_of
from rankgen.manifests.models.model_source import split_revision

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# The name that `--tokenizer` takes for the one that ships with mistral-common.
BUNDLED = "rankzephyr"


class TeacherTokenizer:
    """A fast tokenizer with the chat format its model reads.

    Args:
        fast: The tokenizer.
        chat_format: "zephyr", or "own" for the chat template that the tokenizer carries.
        source: Where it came from, for messages.

    Raises:
        UsageError: `chat_format` is "own" and there is no chat template that can hold a prompt.
    """

    def __init__(self, fast: PreTrainedTokenizerFast, chat_format: str, source: str) -> None:
        self._fast = fast
        self._chat_format = chat_format
        self._source = source
        self._bos = fast.bos_token
        if chat_format != ZEPHYR_FORMAT and not fast.chat_template:
            raise UsageError(
                f"the tokenizer of {source} has no chat template, so it cannot be prompted",
                "use a chat model, or --teacher rankzephyr for RankZephyr's own format",
            )
        own = chat_format != ZEPHYR_FORMAT
        self._form = find_chat_form(self._render, source) if own else ChatForm()

    @property
    def special_strings(self) -> tuple[str, ...]:
        """The texts that become one special token wherever they stand, such as "</s>"."""
        return tuple(str(t.content) for t in self._fast.added_tokens_decoder.values() if t.special)

    @property
    def sha256(self) -> str:
        """Identifies vocabulary, rules and chat format."""
        digest = hashlib.sha256(self._fast.backend_tokenizer.to_str().encode())
        form = self._chat_format if self._chat_format == ZEPHYR_FORMAT else self._fast.chat_template
        digest.update(str(form).encode())
        return digest.hexdigest()

    @property
    def merges_system(self) -> bool:
        """Whether the chat template takes no system turn, so that its text joins the user's."""
        return self._form.merges_system

    @property
    def opens_thought(self) -> bool:
        """Whether a prompt ends with an open think tag, so that the answer begins within."""
        return opens_thought(self._form.prompt_end)

    def chat_text(self, messages: Sequence[ChatMessage]) -> str:
        """Returns the whole prompt as text, ready for the answer.

        Raises:
            TeacherFailure: The chat template refuses these texts, though not all.
        """
        if self._chat_format == ZEPHYR_FORMAT:
            return zephyr_text(messages)
        try:
            return self._form.text(messages, self._render)
        except Exception as error:  # A template is a program and raises what it likes.
            raise TeacherFailure(
                f"the chat template of {self._source} refuses the prompt: {reason_of(error)}"
            ) from error

    def _render(self, turns: list[Turn], answer_next: bool) -> str:
        # Content in parts is accepted, whatever the annotation says.
        conversation = cast("list[dict[str, str]]", turns)
        return str(
            self._fast.apply_chat_template(
                conversation, tokenize=False, add_generation_prompt=answer_next
            )
        )

    def encode(self, prompt: str) -> list[int]:
        """Returns the ids of a whole prompt; the beginning token stands in front exactly once."""
        already = bool(self._bos) and prompt.startswith(str(self._bos))
        return self.plain(prompt) if already else self._encode(prompt, special=True)

    def plain(self, text: str) -> list[int]:
        """Returns the ids of a text alone, without a beginning token."""
        return self._encode(text, special=False)

    def _encode(self, text: str, special: bool) -> list[int]:
        # `verbose=False` silences the warning about the model's length, which we bound ourselves.
        encoded = self._fast(text, add_special_tokens=special, verbose=False)
        return cast("list[int]", encoded["input_ids"])

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of generated ids without special tokens."""
        return str(self._fast.decode(list(ids), skip_special_tokens=True))

    def cut(self, text: str, tokens: int) -> str:
        """Returns the longest head of `text` that ends between its tokens, `tokens` at most.

        A character that several tokens spell stays whole or goes.
        """
        encoded = self._fast(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        offsets = cast("list[tuple[int, int]]", encoded["offset_mapping"])
        if len(offsets) <= tokens:
            return text
        return text[: offsets[tokens][0]].rstrip()

    # The cache keeps its tokenizer alive, which lives as long as the process anyway.
    @lru_cache(maxsize=256)  # noqa: B019
    def permutation_tokens(self, k: int) -> int:
        """Returns the tokens of "[1] > [2] > ... > [k]": 90 for 20 with RankZephyr's tokenizer."""
        return len(self.plain(" > ".join(f"[{i}]" for i in range(1, k + 1))))


def load_tokenizer(name: str, revision: str | None, chat_format: str) -> TeacherTokenizer:
    """Loads a tokenizer.

    Args:
        name: "rankzephyr" for the bundled one, a folder, a Hugging Face model id, or "ID@COMMIT".
        revision: Git revision for a model id.
        chat_format: "zephyr" or "own".

    Raises:
        UsageError: There is no such tokenizer, or it cannot be prompted.
        EnvironmentProblem: A package is missing.
    """
    if name == BUNDLED:
        return TeacherTokenizer(_bundled_fast(), ZEPHYR_FORMAT, BUNDLED)
    try:
        from transformers import AutoTokenizer, PreTrainedTokenizerFast
    except ImportError:
        raise _missing("transformers") from None
    try:
        source, own_revision = split_revision(name)
        fast = AutoTokenizer.from_pretrained(source, revision=own_revision or revision)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the tokenizer of '{name}' cannot be loaded: {reason_of(error)}",
            "name a Hugging Face model id, or a folder with tokenizer.json",
        ) from None
    if not isinstance(fast, PreTrainedTokenizerFast):
        raise UsageError(
            f"'{name}' has only a slow tokenizer, which cannot say where its tokens lie",
            "name a model with a tokenizer.json by --tokenizer",
        )
    return TeacherTokenizer(fast, chat_format, name)


def _missing(package: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"the package {package} is not installed", 'pip install "rankgen-distill[teacher]"'
    )


@lru_cache(maxsize=1)
def _bundled_fast() -> PreTrainedTokenizerFast:
    """Builds RankZephyr's tokenizer (Mistral 7B v0.1, 32,000 pieces) from mistral-common's model.

    transformers' own conversion of this file orders the merges of runs of spaces otherwise than
    SentencePiece does; this one gives the same ids.
    """
    try:
        import mistral_common
        import sentencepiece
        from tokenizers import AddedToken, Tokenizer, decoders, normalizers, processors
        from tokenizers.models import BPE
        from transformers import PreTrainedTokenizerFast
    except ImportError as error:
        raise _missing(str(error.name)) from None
    path = Path(mistral_common.__file__).parent / "data" / "tokenizer.model.v1"
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    pieces = {model.id_to_piece(i): i for i in range(model.vocab_size())}
    scores = {piece: model.get_score(i) for piece, i in pieces.items()}
    bpe = BPE(
        vocab=pieces,
        merges=_merges(pieces, scores),
        unk_token="<unk>",
        fuse_unk=True,
        byte_fallback=True,
    )
    tokenizer = Tokenizer(bpe)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", pieces["<s>"])]
    )
    tokenizer.add_special_tokens(
        [AddedToken(t, special=True, normalized=False) for t in ("<unk>", "<s>", "</s>")]
    )
    # transformers does not annotate the constructor in every release.
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call, unused-ignore]
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    )


def _merges(pieces: dict[str, int], scores: dict[str, float]) -> list[tuple[str, str]]:
    """Returns the pairs that SentencePiece may join, best score first, ties by the parts' ids."""
    found: list[tuple[float, int, int, str, str]] = []
    for piece, score in scores.items():
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in pieces and right in pieces:
                found.append((-score, pieces[left], pieces[right], left, right))
    return [(left, right) for *_, left, right in sorted(found)]
