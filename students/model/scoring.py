"""Scores of pairs, computed in length-sorted chunks: packed, or with little padding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rankgen.manifests.models.cpu_kernels import fast_kernels
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.hardware import Hardware, moved
from rankgen.students.model.packed_forward import PACKABLE, is_packable, packed_logits
from rankgen.students.model.packing import pack
from rankgen.students.model.pair_template import Pair
from rankgen.students.model.student_model import HeadedModel, StudentModel

# Told how many more pairs were scored.
Advance = Callable[[int], object]


# They read padding: convolutions and landmarks know no mask, and blocks depend on the length.
_READ_PADDING = frozenset({"convbert", "nystromformer", "big_bird"})


def chunks_of(
    encoder: CrossEncoder, pairs: Sequence[Pair], hardware: Hardware
) -> list[NDArray[np.int64]]:
    """Splits pairs into the chunks of one forward pass each; see `length_sorted_chunks`.

    A chunk of a model that would read padding has pairs of one length, so that scores do not
    depend on the pairs beside them.
    """
    lengths = [encoder.template.length(query, passage) for query, passage in pairs]
    reads_padding = encoder.model.config.model_type in _READ_PADDING
    return length_sorted_chunks(lengths, hardware.chunk_tokens, is_one_length=reads_padding)


def length_sorted_chunks(
    lengths: Sequence[int], chunk_tokens: int, *, is_one_length: bool = False
) -> list[NDArray[np.int64]]:
    """Splits pairs into chunks of similar length.

    Args:
        lengths: Tokens of each pair.
        chunk_tokens: The most tokens of a chunk, padding included; a longer pair is a chunk alone.
        is_one_length: Whether all pairs of a chunk have the same length.

    Returns:
        Index arrays that together hold every index once, the longest pairs first, so that a
        chunk too large for the memory fails at once.
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    alike = Counter(lengths)
    chunks: list[NDArray[np.int64]] = []
    start = 0
    while start < len(order):
        length = int(lengths[order[start]])
        fitting = max(1, chunk_tokens // length)
        if is_one_length:
            fitting = min(fitting, alike[length])
            alike[length] -= fitting
        chunks.append(order[start : start + fitting])
        start += fitting
    return chunks


def chunk_scores(encoder: CrossEncoder, pairs: Sequence[Pair], hardware: Hardware) -> Tensor:
    """Returns the scores of one chunk in 32 bits, shape (pairs,): packed where the model can."""
    model, device = encoder.model, hardware.device
    autocast = torch.autocast(device.type, dtype=torch.bfloat16, enabled=hardware.is_bf16)
    with autocast, fast_kernels(device.type):
        if is_packable(model, device, hardware.is_bf16):
            packed = pack(encoder.template, pairs).to(device)
            return encoder.score_of(packed_logits(model, packed)).float()
        inputs = encoder.template.collate(pairs)
        padded = {name: moved(tensor, device) for name, tensor in inputs.items()}
        if takes_whole_masks(model):
            rows = padded.pop("attention_mask")
            if len({encoder.template.length(*pair) for pair in pairs}) > 1:
                padded["attention_mask"] = whole_mask(rows)
        logits: Tensor = model(**padded).logits
    return encoder.score_of(logits.float())


def takes_whole_masks(model: StudentModel) -> bool:
    """Says whether transformers would turn a mask of rows into the one `whole_mask` returns."""
    if isinstance(model, HeadedModel) and not model.reads_first_token:
        # Its head reads the mask too.
        return False
    return model.config.model_type in PACKABLE and model.config._attn_implementation == "sdpa"


def whole_mask(mask: Tensor) -> Tensor:
    """Returns which token may attend to which, bool, shape (pairs, 1, tokens, tokens), as a view.

    Given a mask of rows, transformers would ask the device whether it hides anything, and wait.

    Args:
        mask: 1 where a token stands, shape (pairs, tokens).
    """
    return mask.bool()[:, None, None].expand(-1, 1, mask.shape[1], -1)


def forward_sorted(
    encoder: CrossEncoder,
    pairs: Sequence[Pair],
    hardware: Hardware,
    advance: Advance | None = None,
) -> Tensor:
    """Scores pairs chunk by chunk and returns the scores in the order of `pairs`.

    Gradients flow through all chunks when they are enabled (one graph).

    Args:
        encoder: The model, on the hardware's device.
        pairs: Token ids of query and passage.
        hardware: Where and how to compute.
        advance: Called after every chunk with the number of its pairs.

    Returns:
        Logits in 32 bits on the device, higher is better, shape (pairs,).
    """
    chunks = chunks_of(encoder, pairs, hardware)
    scores: list[Tensor] = []
    for chunk in chunks:
        scores.append(chunk_scores(encoder, [pairs[i] for i in chunk], hardware))
        if advance is not None:
            advance(len(chunk))
    places = moved(torch.from_numpy(np.argsort(np.concatenate(chunks))), hardware.device)
    return torch.cat(scores)[places]


@torch.inference_mode()
def score_each_pair(
    encoder: CrossEncoder,
    pairs: Sequence[Pair],
    hardware: Hardware,
    advance: Advance | None = None,
) -> NDArray[np.float32]:
    """Scores every pair by itself, without gradients or dropout, as `forward_sorted` does."""
    was_training = encoder.model.training
    encoder.model.train(False)
    try:
        scores = forward_sorted(encoder, pairs, hardware, advance)
    finally:
        encoder.model.train(was_training)
    scored: NDArray[np.float32] = scores.cpu().numpy()
    return scored


def score_pairs(
    encoder: CrossEncoder,
    pairs: Sequence[Pair],
    hardware: Hardware,
    advance: Advance | None = None,
) -> NDArray[np.float32]:
    """Scores pairs as `score_each_pair` does, but equal pairs only once.

    Computed twice, at other places of a matrix product, the scores of equal pairs could differ in
    the last bits, and chance would break their tie.
    """
    if not pairs:
        return np.zeros(0, dtype=np.float32)
    place_of: dict[tuple[bytes, bytes], int] = {}
    places = [
        place_of.setdefault((query.tobytes(), passage.tobytes()), len(place_of))
        for query, passage in pairs
    ]
    first = {place: number for number, place in reversed(list(enumerate(places)))}
    distinct = [pairs[first[place]] for place in range(len(place_of))]
    scores = score_each_pair(encoder, distinct, hardware, advance)
    if advance is not None:
        advance(len(pairs) - len(distinct))
    return scores[places]
