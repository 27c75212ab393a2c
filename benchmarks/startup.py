"""Cold start: what a command costs before it does anything."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial

from benchmarks.harness import Case, Growth, Promise, Work, World, limit, ours, peer
from services.local.stack import PROJECT


def cases(world: World) -> Iterator[Case | Growth]:
    """The help, the first byte of a backup, a backup of next to nothing, and the same in a container."""
    yield Case(
        name="help",
        title="shoreline --help",
        work=Work(1, "answer"),
        contenders=(
            limit("python -c pass", [sys.executable, "-c", "pass"]),
            ours("shoreline --help", world.shoreline("--help")),
            peer("aws --version", ["aws", "--version"], needs=("awscli",)),
            peer("dlt --help", ["dlt", "--help"], needs=("dlt",)),
        ),
        promises=(Promise("answers within 0.4 s", at_most=0.4),),
    )
    yield from _first_byte(world)
    if world.size != "small" and _docker_answers():
        yield from _container()


def _first_byte(world: World) -> Iterator[Case]:
    database = world.sample_database(1_000)
    storage = world.bucket("startup")
    env = world.environment(database)
    yield Case(
        name="first-byte",
        title="From the start to the first byte of a backup",
        work=Work(1, "block"),
        contenders=(
            limit("pg_dump", "(pg_dump || true) | head -c 1 >/dev/null", env=env),
            ours(
                "the backup's stream",
                world.script("benchmarks.inside.first_block"),
                env=world.settings(database, None),
                inner=True,
            ),
        ),
    )
    yield Case(
        name="small-backup",
        title="A backup of 1,000 rows a table",
        work=Work(1, "backup"),
        contenders=(
            limit("pg_dump >/dev/null", "pg_dump >/dev/null", env=env),
            ours(
                "shoreline backup",
                world.shoreline("backup"),
                env=world.settings(database, storage),
                prepare=partial(world.clear, storage),
            ),
            peer(
                "pg_dump | gzip | aws s3 cp",
                f"pg_dump | gzip | aws s3 cp - s3://{storage.bucket}/small.sql.gz",
                env=env,
                needs=("awscli",),
            ),
        ),
        note="Nearly all of it is starting up: importing the SDK, finding what is there, taking the lease.",
    )
    world.clear(storage)


def _docker_answers() -> bool:
    try:
        return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _container() -> Iterator[Case]:
    """`docker compose run --rm backup`, the image built and the servers up before."""
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env["SHORELINE_IMAGE"] = "shoreline:benchmark"
    compose = ["docker", "compose", "--project-name", "shoreline-bench", "--env-file", str(PROJECT / ".env.example")]
    compose += ["--project-directory", str(PROJECT)]
    run = partial(_run, compose, env)
    run("build", "backup")
    run("up", "--detach", "--wait", "postgres", "localstack")
    try:
        yield Case(
            name="container",
            title="docker compose run --rm backup, the image warm",
            work=Work(1, "backup"),
            contenders=(
                limit("the container alone", [*compose, "run", "--rm", "--entrypoint", "true", "backup"], env=env),
                ours("docker compose run --rm backup", [*compose, "run", "--rm", "backup"], env=env),
            ),
            note="The database is the seeded sample. Compose itself takes most of what the container takes.",
        )
    finally:
        run("down", "--volumes")


def _run(compose: list[str], env: Mapping[str, str], *arguments: str) -> None:
    subprocess.run([*compose, *arguments], env=dict(env), check=True, capture_output=True)
