"""Runs the benchmarks.

python -m benchmarks                          all of them, at the medium size
python -m benchmarks backup --size small      one of them
python -m benchmarks --check                  the small size against the ratios that were kept
python -m benchmarks --page                   docs/benchmarks.md again, from the kept results
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
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
    """Measures, prints, and writes the record. The exit code is 1 when a promise is broken or a ratio fell."""
    options = _options()
    if options.page:
        return _write_page()
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    size: Size = "small" if options.check else options.size
    cases: list[CaseResult] = []
    growths: list[GrowthResult] = []
    failed: list[str] = []
    with World(size) as world:
        for room in options.rooms or ROOMS:
            for found in _room(room, world, options.only, Console(stderr=True)):
                if isinstance(found, CaseResult):
                    cases.append(found)
                elif isinstance(found, GrowthResult):
                    growths.append(found)
                else:
                    failed.append(found)
        made = record.Record(
            taken_on=f"{datetime.now(UTC):%Y-%m-%d}",
            size=size,
            machine=record.machine(),
            versions=world.described(),
            peers=world.peers.versions(),
            cases=tuple(cases),
            growths=tuple(growths),
        )
    table.show(cases, growths, console)
    for line in failed:
        console.print(f"FAILED {line}", style="red", markup=False)
    if options.check:
        return max(_regressed(made, options.rooms, console), int(bool(failed)))
    if not options.dry:
        console.print(f"\nWritten to {record.keep(made).name}")
        if size != "small":
            _write_page()
    broken = any(verdict.kept is False for case in cases for verdict in case.verdicts)
    return int(bool(failed) or broken or not all(growth.time_kept and growth.memory_kept for growth in growths))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rooms", nargs="*", choices=[[], *ROOMS], metavar="ROOM", help=", ".join(ROOMS))
    parser.add_argument("--size", choices=get_args(Size), default="medium")
    parser.add_argument("--only", metavar="TEXT", default="", help="cases whose names hold this text")
    parser.add_argument("--check", action="store_true", help="fail when a ratio of the small size has halved")
    parser.add_argument("--dry", action="store_true", help="print, but keep no record")
    parser.add_argument("--page", action="store_true", help="write docs/benchmarks.md from the newest medium record")
    return parser.parse_args()


def _room(name: str, world: World, only: str, console: Console) -> Iterator[CaseResult | GrowthResult | str]:
    """Each result as it is there; a sentence for one of ours that failed."""
    cases = cast(Room, importlib.import_module(f"benchmarks.{name}").cases)
    for case in cases(world):
        if only not in case.name:
            continue
        try:
            yield _measured(name, case, world, lambda text: console.print(text, style="dim", markup=False))
        except CommandFailed as error:
            yield f"{name}/{case.name}: {error}"


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


def _regressed(made: record.Record, rooms: Sequence[str], console: Console) -> int:
    kept = record.ratios([case for case in record.read(record.BASELINE).cases if not rooms or case.room in rooms])
    found = check.regressions(kept, record.ratios(made.cases))
    for line in found:
        console.print(f"[red]slower[/]: {line}")
    console.print(f"{len(kept) - len(found)} ratios held, {len(found)} fell by half or more")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
