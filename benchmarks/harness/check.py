"""The regression check: the small size's ratios against those kept. Times differ by machine, ratios little."""

from __future__ import annotations

from collections.abc import Mapping

BOUND = 0.5  # a ratio that halves fails: what a busy machine does to one is less


def best(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    """The better of two measurements of each ratio."""
    return {name: max(first.get(name, 0.0), second.get(name, 0.0)) for name in {**first, **second}}


def regressions(kept: Mapping[str, float], measured: Mapping[str, float]) -> list[str]:
    """A line for each ratio that fell below half of what was kept, and for each that was not measured at all."""
    found = []
    for name, before in kept.items():
        now = measured.get(name)
        if now is None:
            found.append(f"{name}: was {before:.2f}, was not measured now")
        elif now < before * BOUND:
            found.append(f"{name}: was {before:.2f} times as fast, is {now:.2f}")
    return found
