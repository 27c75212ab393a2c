"""How an export is cut: spans of whole days that fit into memory. Touches nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

SPAN_ROWS = 500_000
SPAN_BYTES = 96_000_000
_SCANS_AT_MOST = 8  # of a table without an index on its time column, before one sorted scan costs less


@dataclass(frozen=True)
class Span:
    """Days that are read in one go, both ends included, with the rows of each.

    The rows of a `sorted` span come in order, a few at a time; those of others come as they lie and are
    sorted in memory.
    """

    days: Mapping[date, int]
    sorted: bool

    @property
    def first(self) -> date:
        """The first day."""
        return min(self.days)

    @property
    def last(self) -> date:
        """The last day."""
        return max(self.days)

    @property
    def rows(self) -> int:
        """Rows of all its days."""
        return sum(self.days.values())


def cut_spans(days: Mapping[date, int], *, row_bytes: int, indexed: bool, skipped: Sequence[date] = ()) -> list[Span]:
    """Spans of neighbouring days, each below SPAN_ROWS rows and SPAN_BYTES bytes unless it is one day alone.

    A day above that is read in order, so that memory need not hold it. `skipped` are days with rows that are
    not wanted: no span reaches over one. Without an index on the time column each span costs a scan of the
    whole table: many of them become one sorted scan.
    """
    limit = max(1, min(SPAN_ROWS, SPAN_BYTES // max(row_bytes, 1)))
    runs = _runs(days, skipped)
    groups = [group for run in runs for group in _fill(run, days, limit)]
    if not indexed and len(groups) > _SCANS_AT_MOST:
        return [Span({day: days[day] for day in run}, sorted=True) for run in runs]
    spans = [{day: days[day] for day in group} for group in groups]
    return [Span(span, sorted=sum(span.values()) > limit) for span in spans]


def _runs(days: Mapping[date, int], skipped: Sequence[date]) -> list[list[date]]:
    """The days in order, parted where a skipped day lies between."""
    barriers = set(skipped)
    runs: list[list[date]] = [[]]
    for day in sorted({*days, *barriers}):
        if day in barriers:
            runs.append([])
        else:
            runs[-1].append(day)
    return [run for run in runs if run]


def _fill(run: Sequence[date], days: Mapping[date, int], limit: int) -> list[list[date]]:
    groups: list[list[date]] = []
    rows = 0
    for day in run:
        if groups and rows + days[day] <= limit:
            groups[-1].append(day)
            rows += days[day]
        else:
            groups.append([day])
            rows = days[day]
    return groups
