"""A cross-encoder: model, tokenizer and pair template, loaded from and saved to a plain folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from rankgen.manifests.errors import UsageError
from rankgen.manifests.long_documents.rule import ChunkRule
from rankgen.students.model.cuts import CUTS_ENTRY, Cuts
from rankgen.students.model.families.loaded import Loaded, WholePairs
from rankgen.students.model.pair_cut import longest_first
from rankgen.students.model.pair_source import PairSource, cut_texts, whole_pairs
from rankgen.students.model.pair_template import (
    Ids,
    Pair,
    PairTemplate,
    pair_template,
    whole_template,
)
from rankgen.students.model.student_model import StudentModel
from rankgen.students.model.tokens import TokenStore, tokenise, without_presets
from rankgen.students.model.wide_scores import score_in_32_bits

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class CrossEncoder:
    """A model that scores (query, passage) pairs.

    Attributes:
        model: Its forward pass returns one or two logits for each pair.
        tokenizer: Its tokenizer, without preset truncation and padding.
        template: How token ids of query and passage become a pair.
        query_tokens: Queries are cut after this many tokens, passages after `passage_tokens`.
        has_trained_head: Whether all weights, the head's included, came from the checkpoint.
        pair_tokens: Tokens after which a pair is cut, the longer text first; None if the cuts of
            query and passage are the only ones.
        relevant: Which of two logits means relevant; None if there is only one.
        whole: Renders pairs that are one text; None if they are the tokenizer's pairs.
        cuts_whole: Whether query and passage of such a pair are cut before it is rendered.
        prompt: What stands before every query.
        kind: What it is, as the end of "X is ...".
        write: Writes model and head into a folder; None for kinds that are only scored with.
        asked: What config.json has to say of how pairs are rendered, beside the cuts.
        adapted: The low-rank adapters in the model, while they are trained.
        long_documents: How it reads documents in chunks; None if it cuts them.
    """

    model: StudentModel
    tokenizer: PreTrainedTokenizerBase
    template: PairTemplate
    query_tokens: int
    passage_tokens: int
    has_trained_head: bool = True
    pair_tokens: int | None = None
    relevant: int | None = None
    whole: WholePairs | None = None
    cuts_whole: bool = False
    prompt: str = ""
    kind: str = "a classifier with one output"
    write: Callable[[StudentModel, Path], None] | None = None
    asked: Mapping[str, object] = field(default_factory=dict)
    adapted: PeftModel | None = None
    long_documents: ChunkRule | None = None

    def tokenise_queries(self, texts: Mapping[str, str]) -> TokenStore:
        """Tokenises query id -> text, cut to `query_tokens`."""
        if self.prompt:
            texts = {query_id: self.prompt + text for query_id, text in texts.items()}
        return self._tokenised(texts, self.query_tokens)

    def tokenise_passages(self, texts: Mapping[str, str]) -> TokenStore:
        """Tokenises document id -> text, cut to `passage_tokens`."""
        return self._tokenised(texts, self.passage_tokens)

    def pairs(
        self,
        queries: Mapping[str, str],
        passages: Mapping[str, str],
        named: Sequence[tuple[str, str]],
    ) -> list[Pair]:
        """Returns the token ids of pairs, cut.

        Args:
            queries: Text by query id.
            passages: Text by document id.
            named: (query id, document id) of each pair.
        """
        return self.pair_source(
            {query_id: queries[query_id] for query_id, _ in named},
            {doc_id: passages[doc_id] for _, doc_id in named},
        )(named)

    def pair_source(self, queries: Mapping[str, str], passages: Mapping[str, str]) -> PairSource:
        """Returns what renders pairs of these texts, given by query id and by document id."""
        if self.whole is not None:
            if self.cuts_whole:
                queries = cut_texts(self.tokenizer, queries, self.query_tokens)
                passages = cut_texts(self.tokenizer, passages, self.passage_tokens)
            return whole_pairs(self.whole, queries, passages, self._refuse_unknown)
        of_query, of_passage = self.tokenise_queries(queries), self.tokenise_passages(passages)
        if self.pair_tokens is None:
            return lambda named: [(of_query[q], of_passage[d]) for q, d in named]
        return lambda named: [
            self._fitted(
                of_query[q],
                of_passage[d],
                self._counted(of_query.length(q), self.query_tokens),
                self._counted(of_passage.length(d), self.passage_tokens),
            )
            for q, d in named
        ]

    def score_of(self, logits: Tensor) -> Tensor:
        """Returns one score for each pair from its one or two logits, (pairs, outputs)."""
        if self.relevant is None:
            return logits[:, 0]
        return logits[:, self.relevant] - logits[:, 1 - self.relevant]

    def save(self, folder: Path) -> None:
        """Writes the model's files and the tokenizer's into `folder`.

        The configuration also records the cuts and how long documents are read, as loaders of a
        model id download no other file of ours.
        """
        assert self.write is not None
        setattr(self.model.config, CUTS_ENTRY, self.entry)
        self.write(self.model, folder)
        without_presets(self.tokenizer)
        self.tokenizer.model_max_length = self.pair_tokens or self.longest_pair
        # Other libraries pad and cut as the tokenizer says.
        self.tokenizer.padding_side = "left" if self.template.pads_left else "right"
        if self.pair_tokens is None:
            self.tokenizer.truncation_side = "right"
        self.tokenizer.save_pretrained(folder)

    @property
    def entry(self) -> dict[str, object]:
        """What a student's files say of how it is given pairs."""
        rule = {} if self.long_documents is None else self.long_documents.as_values()
        return {**Cuts(self.query_tokens, self.passage_tokens)._asdict(), **rule, **self.asked}

    @property
    def longest_pair(self) -> int:
        """The number of tokens of the longest pair that it reads."""
        if self.pair_tokens is not None and not self.cuts_whole:
            return self.pair_tokens
        return min(self.longest_uncut, self.pair_tokens or self.longest_uncut)

    @property
    def longest_uncut(self) -> int:
        """The tokens of a pair of which both texts are as long as their cuts allow."""
        around = self.template.special_tokens
        if self.whole is not None:
            around = len(self.whole.ids([""], [""])[0])
        return self.query_tokens + self.passage_tokens + around

    def _fitted(self, query: Ids, passage: Ids, of_query: int, of_passage: int) -> Pair:
        """Cuts a pair to `pair_tokens`; which text is the longer one is known before any cut."""
        most = max((self.pair_tokens or 0) - self.template.special_tokens, 0)
        of_query, of_passage = longest_first(of_query, of_passage, most)
        if self._keeps_end:
            return query[len(query) - of_query :], passage[len(passage) - of_passage :]
        return query[:of_query], passage[:of_passage]

    def _counted(self, tokens: int, most: int) -> int:
        """Returns the tokens of a text when its pair is cut: texts may have cuts of their own."""
        return tokens if most == self.pair_tokens else min(tokens, most)

    def _tokenised(self, texts: Mapping[str, str], most: int) -> TokenStore:
        store = tokenise(self.tokenizer, texts, most, keeps_end=self._keeps_end)
        self._refuse_unknown(store.ids)
        return store

    def _refuse_unknown(self, ids: Ids) -> None:
        """Refuses token ids that the model has no vector for; PyTorch has an index error."""
        rows, highest = self.known_tokens, int(ids.max(initial=0))
        if rows is not None and highest >= rows:
            token = self.tokenizer.convert_ids_to_tokens(highest)
            raise UsageError(
                f"a text holds '{token}', a token that was added to the tokenizer without a vector "
                f"in the model, which knows {rows:,}",
                "name a checkpoint that was saved after its embeddings were resized",
            )

    @property
    def known_tokens(self) -> int | None:
        """The number of tokens that the model has vectors for; None if its files do not say."""
        rows = getattr(self.model.config, "vocab_size", None)
        return rows if isinstance(rows, int) else None

    @property
    def _keeps_end(self) -> bool:
        """Whether texts lose their beginnings, as the tokenizer of a public re-ranker may say."""
        return self.pair_tokens is not None and self.tokenizer.truncation_side == "left"


def as_cross_encoder(loaded: Loaded, cuts: Cuts | None) -> CrossEncoder:
    """Returns what was loaded as a cross-encoder.

    Args:
        loaded: A checkpoint's model.
        cuts: Tokens after which query and passage are cut; None cuts pairs as the model's own
            library does.
    """
    tokenizer = loaded.tokenizer
    whole = loaded.whole
    score_in_32_bits(loaded.model)
    if whole is not None:
        template = whole_template(tokenizer, pads_left=whole.pads_left)
        most = whole.pair_tokens
    else:
        template = pair_template(tokenizer)
        most = loaded.pair_tokens or 0
    cuts = cuts or loaded.cuts
    encoder = CrossEncoder(
        loaded.model,
        tokenizer,
        template,
        *(cuts or Cuts(most, most)),
        has_trained_head=not loaded.lacking,
        relevant=loaded.relevant,
        whole=whole,
        cuts_whole=whole is not None and cuts is not None,
        prompt=loaded.prompt,
        kind=loaded.kind,
        write=loaded.save,
        asked=loaded.asked,
    )
    is_cut = cuts is None or (cuts is loaded.cuts and encoder.longest_pair > most)
    return replace(encoder, pair_tokens=most) if whole is not None or is_cut else encoder
