"""How a promise about speed is measured.

A room's benchmark is one module, `benchmarks/<room>.py`, with one function:

    def cases(world: World) -> Iterator[Case | Growth]:
        database = world.sample_database(world.pick(small=50_000, medium=3_000_000, large=10_000_000))
        bucket = world.bucket("backup")
        yield Case(
            name="backup",
            title="A backup into S3",
            work=Work(database.size(), "bytes"),
            contenders=(
                limit("pg_dump >/dev/null", "pg_dump >/dev/null", env=world.environment(database)),
                ours("shoreline backup", world.shoreline("backup"), env=world.settings(database, bucket)),
                peer("gzip | aws s3 cp", "pg_dump | gzip | aws s3 cp - s3://...", needs=("awscli",),
                     env=world.environment(database), check=lambda run: expect_object(bucket)),
            ),
            promises=(
                Promise("at most 1.5 times pg_dump alone", against="pg_dump >/dev/null", at_most=1.5),
                Promise("at least 3.5 times as fast as gzip and aws", against="gzip | aws s3 cp", at_least=3.5),
            ),
        )

It is a generator, so that what one case needs is made just before it and removed after its `yield`. List the room in
`benchmarks/rooms.py`.

- A contender is a command: a list of arguments, or a string for bash (with pipefail). Each round runs each contender
  once, in turn, as a child process of its own whose tree's memory is sampled. `prepare` runs before each round,
  `check` after it; neither is timed, and what `check` refuses fails the benchmark: work that was not done has no time.
- `ours` is Shoreline, `peer` what people would use instead, `limit` what no program can beat on this machine, and
  `context` is shown but compared with nothing.
- A contender whose command prints one JSON object as its last line of standard output reports figures, such as
  {"seconds": 0.012, "bytes_read": 1963218}. `seconds` then takes the place of the wall time (with `inner=True` only),
  so that what happens inside a process can be measured. `cpu_seconds`, the processor time of the command's processes
  (not of servers), is a figure of every run.
- `needs` names environments of `benchmarks/peers.toml`, installed under `.local/peers/` at pinned versions.
  `world.peer_python("export")` and the PATH of `world.environment()` reach them. A peer's Python script lies in
  `benchmarks/peers/`.
- A promise compares our median time (or the figure that `of` names) with another contender's.
- `Growth` runs one of ours at 1, 10 and 100 times the work, and says how time and memory may grow with it.
"""

from benchmarks.harness.case import Case, Contender, Growth, Point, Promise, Role, Work, context, limit, ours, peer
from benchmarks.harness.child import Finished
from benchmarks.harness.world import World

__all__ = [
    "Case",
    "Contender",
    "Finished",
    "Growth",
    "Point",
    "Promise",
    "Role",
    "Work",
    "World",
    "context",
    "limit",
    "ours",
    "peer",
]
