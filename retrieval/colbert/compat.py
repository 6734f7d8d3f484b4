"""The changes that colbert-ai 0.2.22 needs to run with transformers 5, and no others.

Tests in tests/retrieval/test_colbert_compat.py fail as soon as colbert-ai works without them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from rankgen.manifests.errors import EnvironmentProblem

INSTALL_HINT = "pip install 'rankgen-distill[colbert]'"


def import_colbert() -> None:
    """Imports colbert-ai and applies the changes; later calls do nothing.

    Raises:
        EnvironmentProblem: colbert-ai or faiss is missing or cannot be imported.
    """
    # PyTorch looks for ninja only on PATH, and the environment may not be activated.
    programs = str(Path(sys.executable).parent)
    if programs not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), programs])
    try:
        import faiss
        from colbert.modeling import base_colbert, hf_colbert
    except ImportError as error:
        raise EnvironmentProblem(
            f"ColBERT needs the packages colbert-ai and faiss: {error}", INSTALL_HINT
        ) from None
    if base_colbert.class_factory is hf_colbert.class_factory:
        base_colbert.class_factory = _patched_class
    if not faiss.get_num_gpus():
        _keep_kmeans_on_cpu(faiss)


def _patched_class(name_or_path: str) -> Any:
    """Returns colbert-ai's model class with two attributes that transformers 5 needs."""
    from colbert.modeling.hf_colbert import class_factory

    made = class_factory(name_or_path)
    # The constructor calls init_weights instead of post_init, which would set this attribute.
    made.all_tied_weights_keys = {}
    made._keys_to_ignore_on_load_unexpected = set(made._keys_to_ignore_on_load_unexpected)
    return made


def _keep_kmeans_on_cpu(faiss: Any) -> None:
    """Lets colbert-ai cluster where torch sees a GPU but faiss (faiss-cpu) does not."""
    original = faiss.Kmeans
    if getattr(original, "on_cpu", False):
        return

    # faiss ships no types, and the class is known only now.
    class KmeansOnCpu(original):  # type: ignore[misc, valid-type]
        on_cpu = True

        def __init__(self, d: int, k: int, **settings: Any) -> None:
            super().__init__(d, k, **{**settings, "gpu": False})

    faiss.Kmeans = KmeansOnCpu
