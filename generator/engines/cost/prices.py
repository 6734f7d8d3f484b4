"""What a server's tokens cost. The user states the prices: they are never guessed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from rankgen.generator.answers.outcomes import TokenUsage
from rankgen.manifests.errors import UsageError
from rankgen.manifests.options import Option, Settings

_MILLION = 1e6


class PriceSettings(Settings):
    """What a server's tokens cost, and how much a run may cost."""

    panel = "Cost of a server"
    max_cost: Annotated[
        float | None,
        Field(gt=0),
        Option(
            "Stop with exit code 4 before the run could have cost more than this many USD, over "
            "all workers and resumes. Needs --price-in and --price-out.",
            "no limit",
            metavar="USD",
        ),
    ] = None
    price_in: Annotated[
        float | None,
        Field(ge=0),
        Option("USD per million prompt tokens, as the server bills them.", metavar="USD"),
    ] = None
    price_out: Annotated[
        float | None,
        Field(ge=0),
        Option("USD per million output tokens, as the server bills them.", metavar="USD"),
    ] = None


@dataclass(frozen=True)
class Prices:
    """USD per million tokens."""

    prompt: float
    output: float

    def of(self, usage: TokenUsage) -> float:
        """Returns the USD that tokens cost."""
        return (usage.prompt * self.prompt + usage.output * self.output) / _MILLION


def prices_of(settings: PriceSettings) -> Prices | None:
    """Returns the prices that the user gave; None without any."""
    if settings.price_in is None or settings.price_out is None:
        return None
    return Prices(settings.price_in, settings.price_out)


def check_prices(settings: PriceSettings, is_served: bool) -> None:
    """Checks that prices come in pairs, with every cap, and only for a server.

    Raises:
        UsageError: They do not.
    """
    names = ("max_cost", "price_in", "price_out")
    given = [f"--{n.replace('_', '-')}" for n in names if getattr(settings, n) is not None]
    if not given:
        return
    if not is_served:
        raise UsageError(
            f"{given[0]} belongs to a server that rankgen asks itself",
            f"leave {given[0]} out, or use --teacher listwise with --base-url",
        )
    if prices_of(settings) is None:
        raise UsageError(
            f"{given[0]} needs both prices of the server",
            "give --price-in and --price-out in USD per million tokens",
        )


def usd(amount: float) -> str:
    """Returns an amount as text: cents, and two significant digits of what is smaller."""
    if amount == 0 or abs(amount) >= 1:
        return f"{amount:,.2f} USD"
    digits = next((d for d in range(2, 12) if abs(amount) * 10**d >= 10), 12)
    return f"{amount:.{digits}f} USD"
