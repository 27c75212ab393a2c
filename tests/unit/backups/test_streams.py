"""Streams pass on what they are given, errors included, and notice what is not whole."""

from __future__ import annotations

import gzip
import hashlib
import threading
import zlib
from collections.abc import Iterator

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.backups.encryption import decrypted, encrypted, identities_of, recipients_of
from services.backups.stream import BLOCK, Digest, compressed, decompressed, prefetch
from services.errors import BackupDamaged, BackupFailed, SettingsError

blocks = st.lists(st.binary(max_size=2000), max_size=8)
KEY = pyrage.x25519.Identity.generate()


def failing(first: bytes = b"x" * 100) -> Iterator[bytes]:
    yield first
    raise BackupFailed("the source broke")


@given(blocks)
def test_what_goes_in_comes_out(given_: list[bytes]) -> None:
    recipients, identities = recipients_of(str(KEY.to_public())), identities_of(str(KEY))
    packed = list(encrypted(prefetch(compressed(prefetch(given_))), recipients))
    assert b"".join(decompressed(prefetch(decrypted(packed, identities)))) == b"".join(given_)


def test_anyone_can_open_what_was_compressed() -> None:
    text = b"hello\n" * 100_000
    assert gzip.decompress(b"".join(compressed([text[:1000], text[1000:]]))) == text


def test_a_small_object_that_would_fill_the_memory_is_opened_in_blocks() -> None:
    bomb = gzip.compress(bytes(64 << 20), 9)
    assert max(len(block) for block in decompressed([bomb])) <= BLOCK


@pytest.mark.parametrize("cut", [0, 1, 9, -9, -1])
def test_a_stream_that_was_cut_off_is_noticed(cut: int) -> None:
    packed = b"".join(compressed([b"hello\n" * 1000]))
    with pytest.raises(BackupDamaged):
        list(decompressed([packed[:cut]]))


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_bit_that_was_flipped_in_an_encrypted_stream_is_noticed(at: int, flip: int) -> None:
    sealed = bytearray(b"".join(encrypted([b"secret" * 500], recipients_of(str(KEY.to_public())))))
    sealed[at % len(sealed)] ^= flip
    with pytest.raises(BackupDamaged):
        list(decrypted([bytes(sealed)], identities_of(str(KEY))))


def test_only_the_recipients_can_read_it() -> None:
    sealed = list(encrypted([b"secret"], recipients_of(str(KEY.to_public()))))
    with pytest.raises(BackupDamaged, match="decrypted"):
        list(decrypted(sealed, [pyrage.x25519.Identity.generate()]))


def test_an_error_on_a_thread_is_raised_where_the_blocks_are_used() -> None:
    recipients = recipients_of(str(KEY.to_public()))
    for stream in (prefetch(failing()), prefetch(compressed(prefetch(failing()))), encrypted(failing(), recipients)):
        with pytest.raises(BackupFailed, match="the source broke"):
            list(stream)


def test_a_stream_that_is_closed_early_lets_its_thread_go() -> None:
    gone = threading.Event()

    def endless() -> Iterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            gone.set()

    stream = prefetch(endless())
    next(stream)
    stream.close()
    assert gone.wait(10)


@given(blocks)
def test_a_digest_counts_and_hashes_what_passes(given_: list[bytes]) -> None:
    digest, whole = Digest(), b"".join(given_)
    assert b"".join(digest.watch(given_)) == whole
    assert (digest.bytes, digest.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert digest.crc32 == zlib.crc32(whole)


def test_keys_are_read_as_age_keygen_writes_them_and_nothing_else_is() -> None:
    assert len(identities_of(f"# created: 2025-06-10\n# public key: {KEY.to_public()}\n{KEY}\n")) == 1
    with pytest.raises(SettingsError, match="BACKUP_AGE_IDENTITY"):
        identities_of("AGE-SECRET-KEY-1NONSENSE")
    with pytest.raises(SettingsError):
        identities_of("")
    with pytest.raises(SettingsError, match=r"BACKUP_AGE_RECIPIENTS  'age1typo0000\.\.\.' is no age recipient"):
        recipients_of("age1typo0000")
