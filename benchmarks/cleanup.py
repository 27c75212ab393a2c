"""Cleanup of a full bucket against the tools that empty one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from benchmarks.harness import Case, Contender, Finished, Growth, Point, Promise, Work, World, limit, ours, peer
from benchmarks.harness.child import CommandFailed
from services.s3.objects import Storage

_TAG = {"TagSet": [{"Key": "project", "Value": "shoreline"}]}


def cases(world: World) -> Iterator[Case | Growth]:
    """A bucket of many objects, and the growth with their number."""
    objects = world.pick(small=200, medium=5_000, large=20_000)
    contenders = _contenders(world, objects)
    for contender in contenders:  # before the first round: filling a bucket takes longer than emptying it
        contender.prepare()
    yield Case(
        name="cleanup",
        title=f"A bucket of {objects:,} objects, emptied and deleted",
        work=Work(objects, "objects"),
        contenders=contenders,
        promises=(Promise("at least 3 times as fast as aws s3 rb --force", against="aws s3 rb --force", at_least=3),),
        least_runs=world.pick(small=1, medium=2, large=1),
        note="Ours takes an inventory first, deletes only what is its own, and proves by other calls that it is gone.",
    )
    yield Growth(
        name="cleanup-growth",
        title="Cleanup, by objects",
        unit="objects",
        points=tuple(
            Point(count, replace(_contenders(world, count)[1], name=f"{count} objects"))
            for count in world.pick(small=(20, 200), medium=(30, 300, 3_000), large=(200, 2_000, 20_000))
        ),
        memory_power=0.2,
    )


def _contenders(world: World, objects: int) -> tuple[Contender, ...]:
    env = world.environment()

    def about(name: str) -> tuple[str, Callable[[], None], Callable[[Finished], None]]:
        bucket = f"bench-cleanup-{name}-{objects}"
        return bucket, partial(_fill, world, bucket, objects), partial(_expect_gone, world, bucket)

    bare, fill_bare, bare_gone = about("bare")
    own, fill_own, own_gone = about("own")
    aws, fill_aws, aws_gone = about("aws")
    rclone, fill_rclone, rclone_gone = about("rclone")
    return (
        limit(
            "bare DeleteObjects",
            world.script("benchmarks.inside.delete", bare, objects),
            env=env,
            prepare=fill_bare,
            check=bare_gone,
        ),
        ours(
            "shoreline cleanup",
            world.shoreline("cleanup", "--yes"),
            env=world.settings(None, Storage(world.aws, own)),
            prepare=fill_own,
            check=own_gone,
        ),
        peer(
            "aws s3 rb --force",
            ["aws", "s3", "rb", "--force", f"s3://{aws}"],
            env=env,
            needs=("awscli",),
            prepare=fill_aws,
            check=aws_gone,
        ),
        peer(
            "rclone purge",
            ["rclone", "purge", f"s3:{rclone}"],
            env=env,
            needs=("debian",),
            prepare=fill_rclone,
            check=rclone_gone,
        ),
    )


def _key(number: int) -> str:
    return f"datalake/orders/{number:06}.parquet"


def _fill(world: World, bucket: str, objects: int) -> None:
    """Makes the bucket as full as it should be, unless it is there: each contender removes its own."""
    s3 = world.aws.s3
    if any(found["Name"] == bucket for found in s3.list_buckets()["Buckets"]):
        return
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_tagging(Bucket=bucket, Tagging=_TAG)  # type: ignore[arg-type]
    world.put_all(bucket, [(_key(number), b"-") for number in range(objects)])


def _expect_gone(world: World, bucket: str, _: Finished) -> None:
    if any(found["Name"] == bucket for found in world.aws.s3.list_buckets()["Buckets"]):
        raise CommandFailed(f"{bucket} is still there")
