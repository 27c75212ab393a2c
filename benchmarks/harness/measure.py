"""Runs cases: each contender in turn, round after round."""

from __future__ import annotations

import shlex
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from benchmarks.harness.case import Case, Contender, Growth, Role
from benchmarks.harness.child import CommandFailed, Finished, run
from benchmarks.harness.peers import PeerMissing
from benchmarks.harness.results import CaseResult, GrowthPoint, GrowthResult, Measured, power, verdicts
from benchmarks.harness.world import World

Say = Callable[[str], None]


@dataclass
class _Runs:
    contender: Contender
    done: list[Finished] = field(default_factory=list)
    spent: float = 0.0  # seconds of all runs, with what was made ready before and counted after them

    def once_more(self, world: World, timeout: float) -> None:
        for name in self.contender.needs:
            world.peers.install(name)
        began = time.perf_counter()
        self.done.append(_once(self.contender, world, timeout))
        self.spent += time.perf_counter() - began


def measure(room: str, case: Case, world: World, say: Say) -> CaseResult:
    """Runs the case's contenders, in turn, for as many rounds as the size gives.

    A contender that has used up its share of the time, what is made ready for it included, sits out the later rounds:
    what takes minutes is run once.
    Raises CommandFailed when one of ours fails; a peer that fails, or cannot be had, is left out and named.
    """
    left_out: dict[str, str] = {}
    runs = [_Runs(contender) for contender in case.contenders]
    for number in range(world.rounds):
        for one in list(runs):
            if len(one.done) >= case.least_runs and one.spent > world.patience(one.contender.role):
                continue
            say(f"{case.name}: round {number + 1}, {one.contender.name}")
            try:
                one.once_more(world, case.timeout)
            except (CommandFailed, PeerMissing) as error:
                if one.contender.role == Role.OURS:
                    raise
                left_out[one.contender.name] = str(error)
                runs.remove(one)
                say(f"left out: {one.contender.name}: {error}")
    measured = tuple(_measured(one, world) for one in runs)
    return CaseResult(
        room=room,
        name=case.name,
        title=case.title,
        amount=case.work.amount,
        unit=case.work.unit,
        contenders=measured,
        verdicts=verdicts(case.promises, measured, world.size),
        left_out=left_out,
        note=case.note,
    )


def grow(room: str, growth: Growth, world: World, say: Say) -> GrowthResult:
    """Runs each size once, or as often as the patience allows, and fits the powers."""
    points = []
    for point in growth.points:
        one = _Runs(point.contender)
        for _ in range(world.rounds):
            if one.done and one.spent > world.patience(Role.OURS) / 4:
                break
            say(f"{growth.name}: {point.amount:,} {growth.unit}")
            one.once_more(world, growth.timeout)
        found = _measured(one, world)
        points.append(GrowthPoint(point.amount, found.median, found.peak))
    first, last = points[0], points[-1]
    time_power = power((first.amount, first.seconds), (last.amount, last.seconds))
    memory_power = power((first.amount, max(first.peak_bytes, 1)), (last.amount, max(last.peak_bytes, 1)))
    bounded = growth.memory_bytes is None or last.peak_bytes <= growth.memory_bytes
    return GrowthResult(
        room=room,
        name=growth.name,
        title=growth.title,
        unit=growth.unit,
        points=tuple(points),
        time_power=round(time_power, 3),
        memory_power=round(memory_power, 3),
        time_kept=time_power <= growth.time_power,
        memory_kept=memory_power <= growth.memory_power and bounded,
        note=growth.note,
    )


def _once(contender: Contender, world: World, timeout: float) -> Finished:
    contender.prepare()
    finished = run(contender.command, contender.env or world.environment(), world.folder, timeout)
    contender.check(finished)
    if contender.inner:
        return replace(finished, seconds=finished.figures["seconds"])
    return finished


def _measured(one: _Runs, world: World) -> Measured:
    reported = [{**finished.figures, "cpu_seconds": finished.cpu_seconds} for finished in one.done]
    names = {name for figures in reported for name in figures} - {"seconds"}
    command = one.contender.command
    return Measured(
        name=one.contender.name,
        role=one.contender.role,
        command=world.anonymous(command if isinstance(command, str) else shlex.join(map(str, command))),
        seconds=tuple(round(finished.seconds, 4) for finished in one.done),
        peak_bytes=tuple(finished.peak_bytes for finished in one.done),
        figures={name: statistics.median(found[name] for found in reported if name in found) for name in sorted(names)},
    )
