"""What a graph of resources costs a month, from dated prices. What depends on use is not in it, and is said so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from hedgerow.targets.cloud.graph import Resource

Billed = Callable[[Resource], Mapping[str, float]]
"""What a cloud counts for one resource: names of its price list, and how many of each."""


@runtime_checkable
class Priced(Protocol):
    """A target that knows what it costs."""

    def cost(self) -> str:
        """Return the line for a person."""
        ...


@dataclass(frozen=True)
class Cost:
    """An estimate: the sum and its parts, in the currency and of the day and the region that the prices are of.

    `beside` names what is billed by use, which nobody knows beforehand.
    """

    monthly: float
    parts: Mapping[str, float]
    currency: str
    as_of: str
    region: str
    beside: str

    def in_words(self, region: str) -> str:
        """Return the line for a person; `region` is where the resources are."""
        elsewhere = "" if region == self.region else f"; {region} has prices of its own"
        return (
            f"about {self.monthly:.0f} {self.currency} a month at prices of {self.as_of} in {self.region}{elsewhere}"
            f". Not counted, as it depends on use: {self.beside}; nor taxes."
        )


def estimate(resources: Sequence[Resource], prices: Mapping[str, Any], billed: Billed) -> Cost:
    """Add up what is wanted: each name of the price list by the month, by the hour and by the GiB, as it is priced."""
    parts: dict[str, float] = {}
    for resource in resources:
        if resource.absent:
            continue
        price = 0.0
        for name, amount in billed(resource).items():
            monthly = prices["monthly"].get(name, 0) + prices["gib_month"].get(name, 0)
            price += amount * (monthly + prices["hourly"].get(name, 0) * prices["hours"])
        if price:
            parts[resource.key] = round(price, 2)
    monthly, currency = round(sum(parts.values()), 2), str(prices["currency"])
    beside = ", ".join(prices["not_counted"])
    return Cost(monthly, parts, currency, str(prices["as_of"]), str(prices["region"]), beside)
