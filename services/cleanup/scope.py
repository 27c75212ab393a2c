"""What in a bucket is Shoreline's: whole prefixes, each with its closing '/'."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.errors import SettingsError


@dataclass(frozen=True)
class Area:
    """One prefix that is Shoreline's. `prefix` ends in '/', so that `datalake/` never takes `datalake2/`."""

    name: str
    prefix: str
    holds_backups: bool = False

    def __post_init__(self) -> None:
        if not self.prefix.endswith("/") or self.prefix == "/":
            raise SettingsError(f"The prefix {self.prefix!r} of the {self.name} must be a folder's name and a '/'.")


@dataclass(frozen=True)
class Scope:
    """Every area of one bucket. A key belongs to the area with the longest prefix that it begins with."""

    areas: tuple[Area, ...]

    def __post_init__(self) -> None:
        prefixes = [area.prefix for area in self.areas]
        if len(set(prefixes)) != len(prefixes):
            raise SettingsError(f"Two areas share a prefix: {', '.join(sorted(prefixes))}. Give each its own.")

    def area_of(self, key: str) -> Area | None:
        """The area that a key lies in, or None for a key that is not Shoreline's."""
        matching = [area for area in self.areas if key.startswith(area.prefix)]
        return max(matching, key=lambda area: len(area.prefix), default=None)

    def without_backups(self) -> Scope:
        """The areas that go when backups stay. Keys below a backup area stay even inside another area."""
        return Scope(tuple(area for area in self.areas if not area.holds_backups))

    def roots(self) -> list[str]:
        """The prefixes to list so that each key is seen once: those that lie in no other."""
        prefixes = sorted(area.prefix for area in self.areas)
        return [prefix for prefix in prefixes if not _inside(prefix, prefixes)]


def _inside(prefix: str, others: Iterable[str]) -> bool:
    return any(prefix != other and prefix.startswith(other) for other in others)
