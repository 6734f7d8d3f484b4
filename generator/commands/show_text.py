"""Passages, moves and figures as pieces of text that are safe on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

    from rankgen.students.pages.query_view import PassageView

# No terminal shows more in a line; a passage may have a hundred thousand characters.
_MOST = 1_000
# Joiners change how letters of some scripts are written; what else cannot be printed, such as an
# escape or a mark that turns the direction of the text, could change how the rest is shown.
_JOINERS = "\u200c\u200d"
UP, DOWN, SAME = "▲", "▼", "="


def printable(text: str, most: int = _MOST) -> str:
    """Returns a text in one line of characters that only show themselves."""
    line = " ".join(text[: 2 * most].split())[:most]
    return "".join(c if c.isprintable() or c in _JOINERS else "\ufffd" for c in line)


def passage_text(passage: PassageView) -> Text:
    """Returns a document's id, its grade if it is judged, and its text."""
    from rich.text import Text

    shown = Text(printable(passage["doc_id"]), style="bold")
    if passage["grade"] is not None:
        shown.append(f" ({passage['grade']})")
    if passage["text"] is not None:
        said = ": ".join(part for part in (passage["title"], passage["text"]) if part)
        shown.append("  " + printable(said), style="not bold")
    return shown


def move_text(rise: int | None) -> Text:
    """Returns by how many ranks a passage rose or fell; None for one that came from elsewhere."""
    from rich.text import Text

    if rise is None:
        return Text("new", style="cyan")
    if rise == 0:
        return Text(SAME, style="dim")
    return Text(f"{UP if rise > 0 else DOWN} {abs(rise)}", style="cyan" if rise > 0 else "yellow")


def score_text(score: float | None) -> str:
    """Returns a score to four digits, or nothing."""
    return "" if score is None else f"{score:.4g}"
