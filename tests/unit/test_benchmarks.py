"""The arithmetic of the benchmarks: ratios, promises, growth, regressions, and the record."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.__main__ import main
from benchmarks.harness.case import Case, Growth, Point, Promise, Role, Work, limit, ours, peer
from benchmarks.harness.check import best, regressions
from benchmarks.harness.child import CommandFailed, run
from benchmarks.harness.measure import grow, measure
from benchmarks.harness.page import written
from benchmarks.harness.record import Record, kept_ratios, ratios, read, write
from benchmarks.harness.results import CaseResult, GrowthPoint, GrowthResult, Measured, faster, power, verdicts
from benchmarks.harness.world import World
from benchmarks.rooms import ROOMS
from services.postgres.client import Database


def measured(name: str, role: Role, *seconds: float, **figures: float) -> Measured:
    return Measured(name, role, name, seconds, (1_000_000,) * len(seconds), figures)


def case(*contenders: Measured) -> CaseResult:
    return CaseResult("room", "case", "A case", 10, "rows", contenders)


def test_a_room_that_there_is_not_is_told_with_those_that_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "nope"])
    with pytest.raises(SystemExit):
        main()
    assert f"there is no room nope: choose from {', '.join(ROOMS)}" in capsys.readouterr().err


def test_a_ratio_is_of_the_medians_with_the_worst_and_the_best_pair_as_its_spread() -> None:
    ratio = faster(measured("a", Role.OURS, 1.0, 2.0, 4.0), measured("b", Role.PEER, 10.0, 20.0, 30.0))
    assert (ratio.middle, ratio.low, ratio.high) == (10.0, 2.5, 30.0)


def test_the_best_peer_is_the_fastest_and_the_limit_the_slowest_that_binds() -> None:
    found = case(
        measured("ours", Role.OURS, 3.0),
        measured("slow", Role.PEER, 9.0),
        measured("quick", Role.PEER, 6.0),
        measured("disk", Role.LIMIT, 1.0),
        measured("dump", Role.LIMIT, 2.0),
    )
    assert found.best_peer is not None
    assert found.best_peer.name == "quick"
    assert found.limit is not None
    assert found.limit.name == "dump"


@pytest.mark.parametrize(
    ("promise", "value", "kept"),
    [
        (Promise("", against="limit", at_most=1.5), 1.5, True),
        (Promise("", against="limit", at_most=1.4), 1.5, False),
        (Promise("", against="peer", at_least=4), 4.0, True),
        (Promise("", against="peer", at_least=4.1), 4.0, False),
        (Promise("", at_most=3.0), 3.0, True),
        (Promise("", of="bytes_read", at_most=99), 100.0, False),
        (Promise("", of="bytes_read", against="limit", at_most=2), 2.0, True),
    ],
)
def test_a_promise_is_kept_within_its_bound_only(promise: Promise, value: float, kept: bool) -> None:
    runs = [
        measured("ours", Role.OURS, 3.0, bytes_read=100),
        measured("limit", Role.LIMIT, 2.0, bytes_read=50),
        measured("peer", Role.PEER, 12.0),
    ]
    (verdict,) = verdicts([promise], runs, "medium")
    assert verdict.value == pytest.approx(value)
    assert verdict.kept is kept
    (at_small,) = verdicts([promise], runs, "small")
    assert at_small.kept is None


def test_a_promise_has_one_bound_and_names_a_contender_that_is_there() -> None:
    with pytest.raises(ValueError, match="one bound"):
        Promise("", at_most=1, at_least=1)
    with pytest.raises(ValueError, match="no contender is called 'nobody'"):
        Case("c", "", Work(1, "row"), (ours("ours", "true"),), (Promise("", against="nobody", at_most=1),))
    with pytest.raises(ValueError, match="two contenders"):
        Case("c", "", Work(1, "row"), (ours("same", "true"), peer("same", "true")))


def test_growth_in_step_has_the_power_one_and_flat_memory_the_power_none() -> None:
    assert power((10, 2.0), (1000, 200.0)) == pytest.approx(1.0)
    assert power((10, 2.0), (1000, 2.0)) == pytest.approx(0.0)
    assert power((10, 2.0), (1000, 20_000.0)) == pytest.approx(2.0)


def test_a_ratio_that_halves_or_is_no_longer_measured_is_a_regression() -> None:
    kept = {"a": 4.0, "b": 4.0, "c": 4.0}
    found = regressions(kept, {"a": 2.1, "b": 1.9})
    assert [line.split(":")[0] for line in found] == ["b", "c"]


def test_a_ratio_that_fell_once_and_held_when_it_was_measured_again_is_no_regression() -> None:
    assert best({"a": 1.0, "b": 3.0}, {"a": 2.5}) == {"a": 2.5, "b": 3.0}


def test_a_peer_that_took_a_few_milliseconds_is_no_measure_of_a_regression() -> None:
    runs = (measured("ours", Role.OURS, 0.05), measured("quick", Role.PEER, 0.005), measured("slow", Role.PEER, 0.1))
    assert kept_ratios([case(*runs)]) == {"room/case against slow": 2.0}


def test_each_peer_is_held_against_itself_however_its_time_moves_about_the_shortest_that_counts() -> None:
    def timed(quick: float) -> list[CaseResult]:
        runs = (("ours", Role.OURS, 0.05), ("quick", Role.PEER, quick), ("slow", Role.PEER, 0.1))
        return [case(*(measured(name, role, seconds) for name, role, seconds in runs))]

    for before in (0.029, 0.031):
        for now in (0.029, 0.031):
            assert not regressions(kept_ratios(timed(before)), ratios(timed(now)))
    assert regressions(kept_ratios(timed(0.031)), ratios(timed(0.015)))


def test_a_record_is_read_as_it_was_written_and_newer_runs_take_the_place_of_older(tmp_path: Path) -> None:
    runs = (measured("ours", Role.OURS, 1.0, bytes_read=3), measured("peer", Role.PEER, 5.0))
    made = Record("2026-01-02", "small", {"cores": 2}, {"duckdb": "2.0"}, {"awscli": ["awscli==1"]}, (case(*runs),))
    write(made, tmp_path / "record.json")
    assert read(tmp_path / "record.json") == made
    quicker = Record("2026-01-02", "small", {"cores": 2}, {}, {}, (case(measured("ours", Role.OURS, 0.5), runs[1]),))
    merged = made.merged(quicker)
    assert merged.load is None
    assert made.merged(replace(quicker, load=0.5)).merged(replace(quicker, load=0.25)).load == 0.5
    assert ratios(merged.cases) == {"room/case against peer": 10.0}
    assert merged.versions == {"duckdb": "2.0"}


class Bare(World):
    """A world whose commands need no server."""

    def environment(self, database: Database | None = None, **more: str) -> dict[str, str]:  # noqa: ARG002
        return {"PATH": "/usr/bin:/bin", **more}


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = Bare("small", tmp_path)
    made.folder.mkdir()
    return made


def test_contenders_run_in_turn_and_a_peer_that_fails_is_named_and_left_out(world: World) -> None:
    said: list[str] = []
    made = Case(
        "copy",
        "A copy",
        Work(1, "file"),
        (
            ours("ours", "echo run >> order"),
            limit("bare", "echo limit >> order"),
            peer("broken", "echo no >&2; exit 7"),
        ),
    )
    found = measure("room", made, world, said.append)
    assert (world.folder / "order").read_text().split() == ["run", "limit"] * world.rounds
    assert set(found.left_out) == {"broken"}
    assert "ended with 7" in found.left_out["broken"]
    assert found.best_peer is None


def test_one_of_ours_that_fails_or_did_not_do_the_work_ends_the_benchmark(world: World) -> None:
    def refuse(_: object) -> None:
        raise CommandFailed("the work was not done")

    for contender in (ours("ours", "false | true"), ours("ours", "true", check=refuse)):
        with pytest.raises(CommandFailed):
            measure("room", Case("c", "", Work(1, "row"), (contender,)), world, lambda _: None)


def test_the_memory_of_a_run_is_that_of_all_its_processes_together(tmp_path: Path) -> None:
    hold = (
        "import sys, time, pathlib; held = bytearray(100_000_000); pathlib.Path(sys.argv[1]).touch()\n"
        "while not pathlib.Path(sys.argv[2]).exists(): time.sleep(0.01)\n"  # both hold theirs at once
        "time.sleep(0.5)"
    )
    each = f"{sys.executable} -c '{hold}'"
    done = run(f"{each} a b & {each} b a; wait", {"PATH": "/bin"}, tmp_path, 60)
    assert 200e6 < done.peak_bytes < 400e6
    assert done.seconds > 0.5


def test_a_run_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="longer than"):
        run("sleep 30 | sleep 30", {"PATH": "/bin:/usr/bin"}, tmp_path, 0.2)


def test_processor_time_is_a_commands_work_and_not_its_waits(tmp_path: Path) -> None:
    busy = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    assert run(f"{sys.executable} -c '{busy}'", {"PATH": "/bin:/usr/bin"}, tmp_path, 30).cpu_seconds >= 0.3
    assert run("sleep 0.4", {"PATH": "/bin:/usr/bin"}, tmp_path, 30).cpu_seconds < 0.3


def test_a_command_reports_figures_on_its_last_line_and_its_own_time_when_asked(world: World) -> None:
    tell = """echo talk; echo '{"seconds": 0.001, "bytes_read": 42}'"""
    made = Case("c", "", Work(1, "row"), (ours("inner", tell, inner=True), peer("outer", f"sleep 0.05; {tell}")))
    found = measure("room", made, world, lambda _: None)
    assert found.ours.median == 0.001
    assert found.ours.figure("bytes_read") == 42
    assert found.best_peer is not None
    assert found.best_peer.median > 0.05


def test_memory_that_grows_with_a_stream_is_told(world: World) -> None:
    def holding(megabytes: int) -> Point:
        code = f"b = bytearray({megabytes}_000_000); import time; time.sleep(0.1)"
        return Point(megabytes, ours(f"{megabytes}", f"{sys.executable} -c '{code}'"))

    points = (holding(4), holding(40), holding(400))
    grown = grow("room", Growth("g", "", "MB", points, memory_power=0.2), world, lambda _: None)
    assert not grown.memory_kept
    assert grown.time_kept
    bounded = grow("room", Growth("g", "", "MB", points, memory_bytes=300_000_000), world, lambda _: None)
    assert not bounded.memory_kept


def test_the_page_says_of_each_promise_whether_it_was_kept_and_shows_a_chart_for_each_case() -> None:
    runs = (
        measured("ours", Role.OURS, 2.0),
        measured("peer | gzip", Role.PEER, 5.0),
        measured("bare", Role.LIMIT, 1.0),
    )
    promises = (
        Promise("at most 1.5 times the bare", against="bare", at_most=1.5, why="It hashes: 0.9 s of it."),
        Promise("at least twice as fast", against="peer | gzip", at_least=2),
    )
    one = replace(case(*runs), verdicts=verdicts(promises, runs, "medium"), left_out={"third": "no such file\nmore"})
    grown = GrowthResult(
        "room", "g", "By rows", "rows", (GrowthPoint(1, 1.0, 5), GrowthPoint(10, 9.0, 5)), 0.95, 0, True, True
    )
    machine: dict[str, str | int] = {"cores": 2, "memory_gb": 24, "system": "Linux", "python": "3.11"}
    made = Record("2026-01-02", "medium", machine, {"duckdb": "2"}, {"awscli": ["awscli==1"]}, (one,), (grown,), 0.25)
    files = written(made, "2026-01-02-medium.json", {"room": "A room"})
    page = files["benchmarks.md"]
    assert "The load average was at most 0.25 as a run began, the room before it included." in page
    assert "at most 1.5 times the bare. Measured: 2.00 times, **not kept**. It hashes: 0.9 s of it." in page
    assert "at least twice as fast. Measured: 2.50 times, kept." in page
    assert "third (no such file)" in page
    assert "peer \\| gzip" in page
    assert "work^0.95, within the bound" in page
    charts = [name for name in files if name.endswith(".svg")]
    assert len(charts) == 2
    for name in charts:
        assert f"]({name})" in page
        assert ElementTree.fromstring(files[name]).tag.endswith("svg")  # noqa: S314  # written just above
