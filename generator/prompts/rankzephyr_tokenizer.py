"""RankZephyr's tokenizer (Mistral 7B v0.1, 32,000 pieces), built without any download."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from rankgen.manifests.errors import EnvironmentProblem

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast


def missing_package(package: str) -> EnvironmentProblem:
    """Returns the error for a package of the extra "teacher" that is not installed."""
    return EnvironmentProblem(
        f"the package {package} is not installed", 'pip install "rankgen-distill[teacher]"'
    )


@lru_cache(maxsize=1)
def rankzephyr_tokenizer() -> PreTrainedTokenizerFast:
    """Builds the tokenizer from the SentencePiece model in mistral-common.

    transformers' own conversion of this file orders the merges of runs of spaces differently from
    SentencePiece; this one gives the same ids.

    Raises:
        EnvironmentProblem: A package is missing.
    """
    try:
        from transformers import PreTrainedTokenizerFast

        tokenizer = _converted()
    except ImportError as error:
        raise missing_package(str(error.name)) from None
    # transformers does not annotate the constructor in every release.
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call, unused-ignore]
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    )


def _converted() -> Tokenizer:
    import mistral_common
    import sentencepiece
    from tokenizers import AddedToken, Tokenizer, decoders, normalizers, processors
    from tokenizers.models import BPE

    path = Path(mistral_common.__file__).parent / "data" / "tokenizer.model.v1"
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    pieces = {model.id_to_piece(i): i for i in range(model.vocab_size())}
    scores = {piece: model.get_score(i) for piece, i in pieces.items()}
    merges = _merges(pieces, scores)
    tokenizer = Tokenizer(
        BPE(vocab=pieces, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
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
    return tokenizer


def _merges(pieces: dict[str, int], scores: dict[str, float]) -> list[tuple[str, str]]:
    """Returns the pairs that SentencePiece may join, best score first, ties by the parts' ids."""
    found: list[tuple[float, int, int, str, str]] = []
    for piece, score in scores.items():
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in pieces and right in pieces:
                found.append((-score, pieces[left], pieces[right], left, right))
    return [(left, right) for *_, left, right in sorted(found)]
