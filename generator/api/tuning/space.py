"""The values that a search may draw, and the seeded draws."""

from __future__ import annotations

import json
import math
import tomllib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from rankgen.generator.api.tuning.settings import SearchSettings
from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.manifests.options import plain_type
from rankgen.students.training.settings import NOT_THE_RECIPE, StudentSettings

Drawn = Mapping[str, JsonValue]
# Trials with other validations, or validated at other steps, could not be compared.
COMPARED_BY = frozenset({"validation_queries", "validation_depth", "validate_every"})
SEARCHABLE = sorted(StudentSettings.model_fields.keys() - NOT_THE_RECIPE - COMPARED_BY)
# Draws in a row that repeat earlier ones, after which a space counts as used up.
_MOST_REPEATED = 1000
_DIGITS = 3


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`; as likely per octave where `is_log`."""

    low: float
    high: float
    is_log: bool
    is_whole: bool

    def draw(self, generator: np.random.Generator) -> JsonValue:
        """Returns a number, with few digits so that it can be typed again."""
        ends = (self.low, self.high + self.is_whole)
        low, high = map(math.log, ends) if self.is_log else ends
        drawn = low + (high - low) * generator.random()
        value = math.exp(drawn) if self.is_log else drawn
        if self.is_whole:
            return min(math.floor(value), int(self.high))
        return min(max(float(f"{value:.{_DIGITS}g}"), self.low), self.high)


@dataclass(frozen=True)
class Choice:
    """Values, each as likely as the others."""

    values: tuple[JsonValue, ...]

    def draw(self, generator: np.random.Generator) -> JsonValue:
        """Returns one of the values."""
        return self.values[int(generator.integers(len(self.values)))]


Space = Mapping[str, Range | Choice]


def read_space(settings: SearchSettings) -> Space:
    """Returns the values of every searched setting, by its name.

    Raises:
        UsageError: A file is missing or malformed, a name is not that of a setting that can be
            searched, or its values cannot be read.
    """
    found: dict[str, Range | Choice] = {}
    for name, values in [*_of_file(settings.search_file), *map(_of_text, settings.search)]:
        name = name.replace("-", "_")
        if name not in SEARCHABLE:
            raise _not_searchable(name)
        # An option overrides the file.
        found[name] = _parsed(name, values)
    return found


def draws(space: Space, seed: int) -> Iterator[dict[str, JsonValue]]:
    """Yields the settings of trials, no two alike, until the space is used up.

    A value depends on the seed, the place and the name alone, so that more trials leave the others
    as they were; a place whose draw repeats an earlier one is passed over.
    """
    seen: set[str] = set()
    place = repeated = 0
    while repeated < _MOST_REPEATED:
        drawn = {
            name: one.draw(np.random.default_rng([seed, place, zlib.crc32(name.encode())]))
            for name, one in sorted(space.items())
        }
        place += 1
        key = json.dumps(drawn)
        repeated = repeated + 1 if key in seen else 0
        if not repeated:
            seen.add(key)
            yield drawn


def _of_file(path: Path | None) -> list[tuple[str, object]]:
    if path is None:
        return []
    try:
        return list(tomllib.loads(path.read_text(encoding="utf-8-sig")).items())
    except OSError:
        raise UsageError(f"there is no file {path}", "name a TOML file: --search-file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}", "correct the file") from None


def _of_text(text: str) -> tuple[str, str]:
    name, equals, values = text.partition("=")
    if not equals or not values:
        raise UsageError(
            f"--search needs NAME=VALUES, not '{text}'",
            "for example --search learning_rate=log:1e-6..1e-4",
        )
    return name, values


def _not_searchable(name: str) -> UsageError:
    if name in StudentSettings.model_fields:
        return UsageError(
            f"{name} cannot be searched: all trials are compared and computed in the same way",
            f"give it as an option of all trials: --{name.replace('_', '-')}",
        )
    return UsageError(
        f"train-student has no setting '{name}' that can be searched",
        did_you_mean(name, SEARCHABLE),
    )


def _parsed(name: str, values: object) -> Range | Choice:
    if isinstance(values, str) and ".." in values:
        return _range(name, values)
    words = values.split("|") if isinstance(values, str) else values
    listed = [_value(one) for one in (words if isinstance(words, list) else [words])]
    if not listed or not all(isinstance(one, str | int | float) and one != "" for one in listed):
        raise UsageError(
            f"the values of {name} are not numbers or words: {values}",
            f"list them: --search {name}=A|B",
        )
    return Choice(tuple(listed))


def _range(name: str, text: str) -> Range:
    kind = plain_type(StudentSettings.model_fields[name].annotation)
    is_log = text.startswith("log:")
    words = text.removeprefix("log:").split("..")
    try:
        low, high = (float(word) for word in words)
    except ValueError:
        low = high = math.nan
    is_whole = kind is int
    if kind not in (int, float) or (is_whole and not (low.is_integer() and high.is_integer())):
        takes = "it takes whole numbers" if is_whole else "it takes no range"
        raise UsageError(f"{name} cannot be {text}: {takes}", f"list values: --search {name}=A|B")
    if not (low < high < math.inf) or (is_log and low <= 0):
        above = ", both above 0" if is_log else ""
        raise UsageError(
            f"{name} cannot be {text}: a range goes from a smaller to a larger number{above}",
            f"for example --search {name}=log:1e-6..1e-4" if is_log else f"change {name}",
        )
    return Range(low, high, is_log, is_whole)


def _value(word: object) -> JsonValue:
    """Returns a word of the command line as TOML reads it, or as a bare word."""
    if not isinstance(word, str):
        return word  # type: ignore[return-value]  # The caller refuses what JSON has not.
    try:
        value: JsonValue = tomllib.loads(f"value = {word}")["value"]
    except tomllib.TOMLDecodeError:
        return word
    return value
