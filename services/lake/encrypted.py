"""Parquet's own encryption, which nothing here reads: Arrow ends the process where it meets an encrypted column."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

ENCRYPTED_FOOTER = b"PARE"
"""The end of a file whose footer is encrypted too."""
SIGNATURE_BYTES = 28
"""What follows the plain footer of a file with encrypted columns: a nonce and a tag (Parquet's Encryption.md)."""


def has_encrypted_columns(metadata: Any, footer_bytes: int) -> bool:
    """Whether a file with this metadata, whose footer is stored in so many bytes, has a signed footer."""
    return footer_bytes - int(metadata.serialized_size) == SIGNATURE_BYTES


def is_encrypted(path: Path, metadata: Any) -> bool:
    """`has_encrypted_columns` of a local file."""
    with path.open("rb") as stream:
        stream.seek(-8, 2)
        length: int = struct.unpack("<I", stream.read(4))[0]
    return has_encrypted_columns(metadata, length)
