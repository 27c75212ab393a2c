"""Runs the benchmarks.

python -m benchmarks                          all of them, at the medium size
python -m benchmarks backup --size small      one of them
python -m benchmarks --check                  the small size against the ratios that were kept
python -m benchmarks --page                   docs/benchmarks.md again, from the kept results
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast, get_args

from rich.console import Console

from benchmarks.harness import check, measure, page, record, table
from benchmarks.harness.case import Case, Growth
from benchmarks.harness.child import CommandFailed
from benchmarks.harness.results import CaseResult, GrowthResult
from benchmarks.harness.world import Size, World
from benchmarks.rooms import ROOMS

_DOCS = Path(__file__).resolve().parents[1] / "docs"
_WIDTH = 160  # of a table that goes into a file

Room = Callable[[World], Iterator[Case | Growth]]


def main() -> int:
    """Measures, prints, and writes the record.

    The exit code is 1 when a promise is broken without a reason that is on record, or a ratio fell.
    """
    options = _options()
    signal.signal(signal.SIGTERM, _terminated)
    if options.page:
        return _write_page()
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    size: Size = "small" if options.check or options.baseline else options.size
    kept = {case.room for case in record.read(record.BASELINE).cases} if options.check else set(ROOMS)
    rooms: list[str] = options.rooms or [room for room in ROOMS if room in kept]
    chosen = _Chosen(options.only, growth=not (options.check or options.baseline))
    whole, load = _empty(size), round(os.getloadavg()[0], 2)
    failed: list[str] = []
    with World(size) as world:
        for room in rooms:
            for measured in _measure_room(room, world, chosen, failed):
                made = replace(measured, load=load)
                whole = whole.merged(made)
                if not (options.check or options.baseline or options.dry):
                    record.keep(made)  # at once: a later case may take long, or be stopped
    table.show(whole.cases, whole.growths, console)
    for line in failed:
        console.print(f"FAILED {line}", style="red", markup=False)
    if options.check:
        return max(_regressed(whole, rooms, chosen, console), int(bool(failed)))
    if options.baseline:
        record.write(whole, record.BASELINE)
    if size != "small" and not options.dry:
        _write_page()
    broken = any(verdict.kept is False and not verdict.why for case in whole.cases for verdict in case.verdicts)
    return int(bool(failed) or broken or not all(each.time_kept and each.memory_kept for each in whole.growths))


@dataclass(frozen=True)
class _Chosen:
    """Which cases are run: those whose names hold `text`; growths too, or not."""

    text: str
    growth: bool

    def __contains__(self, case: Case | Growth | CaseResult) -> bool:
        return self.text in case.name and (self.growth or not isinstance(case, Growth))


def _terminated(*_: object) -> None:
    sys.exit(143)  # on the way out the servers are ended


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=", ".join(ROOMS))
    parser.add_argument("--size", choices=get_args(Size), default="medium")
    parser.add_argument("--only", metavar="TEXT", default="", help="cases whose names hold this text")
    parser.add_argument("--check", action="store_true", help="fail when a ratio of the small size has halved")
    parser.add_argument("--baseline", action="store_true", help="keep the small size's ratios for --check")
    parser.add_argument("--dry", action="store_true", help="print, but keep no record")
    parser.add_argument("--page", action="store_true", help="write docs/benchmarks.md from the newest medium record")
    options = parser.parse_args()
    if unknown := [name for name in options.rooms if name not in ROOMS]:  # `choices` would count no room as one
        parser.error(f"there is no room {', '.join(unknown)}: choose from {', '.join(ROOMS)}")
    return options


def _empty(size: Size) -> record.Record:
    return record.Record(f"{datetime.now(UTC):%Y-%m-%d}", size, record.machine(), {}, {})


def _measure_room(name: str, world: World, chosen: _Chosen, failed: list[str]) -> Iterator[record.Record]:
    """A record for each case as it is measured; `failed` gets a sentence for each of ours that failed."""
    cases = cast(Room, importlib.import_module(f"benchmarks.{name}").cases)
    console = Console(stderr=True)
    for case in cases(world):
        if case not in chosen:
            continue
        try:
            found = _measured(name, case, world, lambda text: console.print(text, style="dim", markup=False))
        except CommandFailed as error:
            failed.append(f"{name}/{case.name}: {error}")
            continue
        yield replace(
            _empty(world.size),
            versions=world.described(),
            peers=world.peers.versions(),
            cases=(found,) if isinstance(found, CaseResult) else (),
            growths=(found,) if isinstance(found, GrowthResult) else (),
        )


def _measured(room: str, case: Case | Growth, world: World, say: measure.Say) -> CaseResult | GrowthResult:
    if isinstance(case, Case):
        return measure.measure(room, case, world, say)
    return measure.grow(room, case, world, say)


def _write_page() -> int:
    source = record.newest("medium")
    if source is None:
        print("There is no record of the medium size yet: run `make bench`.", file=sys.stderr)
        return 1
    large = record.newest("large")
    larger = None if large is None else record.read(large)
    for name, text in page.written(record.read(source), source.name, ROOMS, larger).items():
        target = _DOCS / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return 0


def _regressed(made: record.Record, rooms: Sequence[str], chosen: _Chosen, console: Console) -> int:
    """Compares with the kept ratios. A room with one that fell is measured again: it may have been the machine."""
    before = record.read(record.BASELINE).cases
    kept = record.kept_ratios([case for case in before if case.room in rooms and case in chosen])
    for name, why in record.left_out(made.cases).items():
        if kept.pop(name, None) is not None:
            console.print(f"passed over: {name}: {why}", style="yellow", markup=False)
    now = record.ratios(made.cases)
    again = sorted({line.partition("/")[0] for line in check.regressions(kept, now)})
    if again:
        console.print(f"measured again: {', '.join(again)}")
        with World("small") as world:
            for room in again:
                for made_again in _measure_room(room, world, chosen, []):
                    now = check.best(now, record.ratios(made_again.cases))
    found = check.regressions(kept, now)
    for line in found:
        console.print(f"slower: {line}", style="red", markup=False)
    console.print(f"{len(kept) - len(found)} ratios held, {len(found)} fell by half or more")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
