"""A file's checksum is what S3 will say of it, however it is sent."""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.lake.transfer import PART_BYTES, is_of, of_digests, of_files, of_s3, part_size


def write(folder: Path, size: int) -> Path:
    path = folder / str(size)
    path.write_bytes(hashlib.shake_128(b"rows").digest(size))
    return path


@pytest.mark.parametrize("size", [0, 1, PART_BYTES])
def test_a_file_of_one_request_has_the_checksum_that_every_tool_computes(tmp_path: Path, size: int) -> None:
    path = write(tmp_path, size)
    assert of_files([(path, size)]) == [hashlib.sha256(path.read_bytes()).hexdigest()]


@pytest.mark.parametrize(("size", "parts"), [(PART_BYTES + 1, 2), (2 * PART_BYTES, 2), (2 * PART_BYTES + 1, 3)])
def test_a_file_of_several_parts_has_the_checksum_of_their_digests(tmp_path: Path, size: int, parts: int) -> None:
    path = write(tmp_path, size)
    body = path.read_bytes()
    digests = [hashlib.sha256(body[start : start + PART_BYTES]).digest() for start in range(0, size, PART_BYTES)]
    whole = hashlib.sha256(b"".join(digests)).digest()
    assert of_files([(path, size)]) == [f"{whole.hex()}-{parts}"] == [of_digests(digests)]
    assert of_s3(f"{b64encode(whole).decode()}-{parts}") == of_digests(digests)


@pytest.mark.parametrize("size", [0, 1, PART_BYTES + 1])
def test_bytes_are_known_by_their_checksum_or_by_that_of_older_versions(tmp_path: Path, size: int) -> None:
    path = write(tmp_path, size)
    body = path.read_bytes()
    (checksum,) = of_files([(path, size)])
    assert is_of(body, checksum)
    assert is_of(body, hashlib.sha256(body).hexdigest())
    assert not is_of(body + b"more", checksum)


def test_a_part_is_whole_where_one_read_gives_less(tmp_path: Path) -> None:
    size = 2 * PART_BYTES + 1
    body = write(tmp_path, size).read_bytes()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # gives 64 KiB at most
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(pipe.write_bytes, body)
        assert of_files([(pipe, size)]) == of_files([(tmp_path / str(size), size)])
        assert written.result() == size


def test_many_files_keep_their_order(tmp_path: Path) -> None:
    files = [(write(tmp_path, size), size) for size in (3, PART_BYTES + 2, 5, 2 * PART_BYTES + 4)]
    assert of_files(files) == [of_files([file])[0] for file in files]


def test_parts_are_as_large_as_a_file_of_ten_thousand_of_them_needs() -> None:
    assert part_size(5) == part_size(10_000 * PART_BYTES) == PART_BYTES
    assert part_size(10_000 * PART_BYTES + 1) == PART_BYTES + 1
