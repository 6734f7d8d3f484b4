"""Walks along the tokens of an answer and says which may come next, so that it ranks each once.

The walk follows the text that tokens spell, not how a tokenizer would cut it: any tokens whose
texts make up a clean ranking are allowed, also those of numbers in two pieces. It ends where as
many passages are named as were asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import reduce
from operator import or_
from typing import NamedTuple

from rankgen.generator.answers.formats import AnswerFormat, Spelling
from rankgen.generator.answers.leading import ids_text

# White space that an answer may have beyond that of the usual spelling; without a limit, a model
# could write nothing else.
SPARE_SPACES = 16
_REMEMBERED = 50_000


def most_spaces(form: AnswerFormat, passages: int) -> int:
    """Returns the white space that an answer about so many passages may have.

    It does not depend on how many are to be named, so that answers begin alike.
    """
    return ids_text(form, [form.identifier(1)] * passages).count(" ") + SPARE_SPACES


class Place(NamedTuple):
    """A place within the text of an answer.

    Attributes:
        part: "begin", "before", "id" or "sign": what is being written.
        written: How much of it is, as text.
    """

    part: str
    written: str = ""


class State(NamedTuple):
    """An answer so far.

    Attributes:
        place: Where it stands.
        passages: Number of passages in the window.
        free: Bit i is set where passage i, from 0, is not named yet.
        left: Passages still to name.
        spaces: White space that may still be written.
    """

    place: Place
    passages: int
    free: int
    left: int
    spaces: int


class _Step(NamedTuple):
    """What a token does.

    Attributes:
        place: The place after it.
        named: The passages that it completes, as bits.
        ids: How many these are.
        begun: The passages that the id after it may become, as bits; None outside of an id.
        spaces: Its white space.
    """

    place: Place
    named: int
    ids: int
    begun: int | None
    spaces: int

    def fits(self, state: State) -> bool:
        """Says whether an answer can go on with it.

        What it begins behind the last passage to name must be able to go on too: an answer begins
        alike however many passages are needed.
        """
        if self.spaces > state.spaces or self.named & ~state.free:
            return False
        return self.begun is None or bool(self.begun & state.free & ~self.named)


class RankingWalk:
    """Which tokens a clean ranking in one format may go on with.

    Args:
        form: The format, which has a spelling.
        table: Token id -> text, of tokens made of the format's characters; see `token_texts`.
        end: The token that ends an answer.
    """

    def __init__(self, form: AnswerFormat, table: Mapping[int, str], end: int) -> None:
        assert form.spelling is not None
        self._form, self._spelling, self._table, self._end = form, form.spelling, table, end
        self._steps: dict[tuple[Place, int], dict[int, _Step]] = {}
        # What was found before: most places do not depend on which passages are left.
        self._found: dict[State, list[int]] = {}
        self._touched: dict[tuple[Place, int], int] = {}
        # No token has more of either.
        self._most_spaces = self._most_ids = max(map(len, table.values()), default=0) + 1

    def start(self, passages: int, first: int) -> State:
        """Returns the state of an empty answer.

        Args:
            passages: Number of passages in the window.
            first: How many of them to name.
        """
        part = "begin" if self._spelling.begin else "before"
        spaces = most_spaces(self._form, passages)
        return State(Place(part), passages, (1 << passages) - 1, first, spaces)

    def allowed(self, state: State) -> list[int]:
        """Returns the tokens that may come next; at least one."""
        if not state.left or self._is_last(state):
            return [self._end]
        steps = self._steps_from(state)
        alike = self._like(state, steps.values())
        if alike not in self._found:
            if len(self._found) == _REMEMBERED:
                self._found.clear()
            self._found[alike] = [token for token, step in steps.items() if step.fits(state)]
        return self._found[alike] or [self._end]

    def _like(self, state: State, steps: Collection[_Step]) -> State:
        """Returns the same state without what none of its steps depends on."""
        key = state.place, state.passages
        if key not in self._touched:
            self._touched[key] = reduce(or_, (step.named | (step.begun or 0) for step in steps), 0)
        free, spaces = state.free & self._touched[key], min(state.spaces, self._most_spaces)
        return State(*key, free, min(state.left, self._most_ids), spaces)

    def advanced(self, state: State, token: int) -> State:
        """Returns the state after a token; the same one for a token that is not allowed."""
        step = self._steps_from(state).get(token)
        if step is None or not step.fits(state):
            return state
        free, left = state.free & ~step.named, max(state.left - step.ids, 0)
        return State(step.place, state.passages, free, left, state.spaces - step.spaces)

    def _is_last(self, state: State) -> bool:
        """Says whether the last id is written, with nothing that could close it or make it longer.

        Where it may still become another one, the model's next token decides which it is.
        """
        part, written = state.place
        if part != "id" or not written or state.left > 1 or self._spelling.after:
            return False
        own = 1 << _number(self._form, written)
        other = self._beginning(written, state.passages) & ~own
        return bool(state.free & own) and not state.free & other

    def _steps_from(self, state: State) -> dict[int, _Step]:
        key = state.place, state.passages
        if key not in self._steps:
            walked = {token: self._walked(*key, text) for token, text in self._table.items()}
            self._steps[key] = {token: step for token, step in walked.items() if step}
        return self._steps[key]

    def _walked(self, place: Place, passages: int, text: str) -> _Step | None:
        named = ids = spaces = 0
        for character in text:
            after = _next_place(self._spelling, self._form.uses_letters, place, character)
            if after is None:
                return None
            if place.part == "id" and after.part != "id":
                own = 1 << _number(self._form, place.written)
                if named & own:
                    return None
                named, ids = named | own, ids + 1
            spaces += character.isspace()
            place = after
        is_within = place.part == "id" and place.written
        begun = self._beginning(place.written, passages) if is_within else None
        return _Step(place, named, ids, begun, spaces)

    def _beginning(self, start: str, passages: int) -> int:
        """Returns the passages, as bits, whose names begin with `start`."""
        names = (self._form.identifier(rank) for rank in range(1, passages + 1))
        return sum(1 << number for number, name in enumerate(names) if name.startswith(start))


def _next_place(spelling: Spelling, letters: bool, place: Place, character: str) -> Place | None:
    part, written = place
    longer = written + character
    if part == "id":
        return _within_id(spelling, letters, written, character)
    if character.isspace() and not written:
        return place
    if part == "sign":
        return Place("before") if character == spelling.between else None
    if part == "before" and not spelling.before:
        return _within_id(spelling, letters, "", character)
    whole = spelling.begin if part == "begin" else spelling.before
    if longer == whole:
        return Place("before" if part == "begin" else "id")
    return Place(part, longer) if whole.startswith(longer) else None


def _within_id(spelling: Spelling, letters: bool, written: str, character: str) -> Place | None:
    if letters:
        is_more = not written and "A" <= character <= "Z"
    else:
        is_more = "0" <= character <= "9" and (written != "" or character != "0")
    if is_more:
        return Place("id", written + character)
    if not written:
        return None
    if spelling.after:
        return Place("sign") if character == spelling.after else None
    if character.isspace():
        return Place("sign")
    return Place("before") if character == spelling.between else None


def _number(form: AnswerFormat, name: str) -> int:
    return ord(name) - ord("A") if form.uses_letters else int(name) - 1
