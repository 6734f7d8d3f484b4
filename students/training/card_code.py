"""The code on cards: how others score with a student, and the tags by which they find it."""

from __future__ import annotations


def card_tags(asked: str | None) -> list[str]:
    """Returns the tags of a student for the Hugging Face Hub.

    Args:
        asked: See `scoring_code`.
    """
    tags = ["reranker", "rankgen"]
    return tags if asked else ["cross-encoder", "sentence-transformers", *tags]


def scoring_code(name: str, relevant: int | None, asked: str | None) -> str:
    """Returns code that scores two passages, as a block of Markdown.

    Args:
        name: The student's folder.
        relevant: Which of two outputs means relevant; None for a student with one, as only those
            have `rank` in sentence-transformers.
        asked: What a language model is that rankgen shows a prompt, which no other library knows;
            None for a student that others show pairs themselves.
    """
    if asked:
        command = f"rankgen rerank --student {name} --candidates CANDIDATES --out RERANKED"
        return f"```bash\n{command}\n```"
    if relevant is None:
        return _python(name, f'model.rank("{_QUERY}", [{", ".join(map(_quoted, _PASSAGES))}])')
    passages = ", ".join(f"({_quoted(_QUERY)}, {_quoted(one)})" for one in _PASSAGES)
    return _python(
        name,
        f"logits = model.predict([{passages}])\n"
        f"scores = logits[:, {relevant}] - logits[:, {1 - relevant}]",
    )


_QUERY = "how do plants eat"
_PASSAGES = ("Photosynthesis turns light into sugar.", "Rome was founded.")


def _quoted(text: str) -> str:
    return f'"{text}"'


def _python(name: str, lines: str) -> str:
    return f"""```python
from sentence_transformers import CrossEncoder

model = CrossEncoder("{name}")
{lines}
```"""
