"""A listing that takes several pages gives every key."""

from __future__ import annotations

from typing import Any

import pytest

from services.s3.objects import Storage

KEYS = [f"datalake/orders/year=2025/month=01/day=10/part & {number}+ü.parquet" for number in range(5)]


@pytest.mark.parametrize(
    ("operation", "field"), [("list_objects_v2", "Contents"), ("list_object_versions", "Versions")]
)
def test_keys_of_a_hive_layout_are_listed_whole_over_several_pages(
    storage: Storage, operation: Any, field: str
) -> None:
    for key in KEYS:
        storage.put(key, b"rows")
    pages: Any = storage.aws.s3.get_paginator(operation).paginate(
        Bucket=storage.bucket, Prefix="datalake/", PaginationConfig={"PageSize": 2}
    )
    assert [entry["Key"] for page in pages for entry in page.get(field, [])] == KEYS
