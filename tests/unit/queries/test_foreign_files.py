"""Files that other programs wrote, and names that an attacker chose."""

from __future__ import annotations

import base64
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as parquet_encryption
import pytest

from services.errors import LakeError
from services.lake.files import contents, local_files
from services.queries.catalog import LakeCatalog, TableSchema
from services.queries.ddl import statements
from services.queries.files import FolderFiles
from services.queries.footers import FileEncrypted
from services.queries.manifest_tables import describe
from services.queries.offline.relations import view
from services.queries.prediction import LakeFiles
from tests.unit.queries.lake import KEYS, LAKE
from tests.unit.queries.offline import answer, offline

DAY = "year=2025/month=01/day=10"
ODD = "x\", (select content from read_text('/etc/passwd')) as \"y"


class Kms(parquet_encryption.KmsClient):
    """Keeps keys as they are."""

    def __init__(self, _: Any) -> None:
        super().__init__()

    def wrap_key(self, key_bytes: bytes, _: str) -> str:
        return base64.b64encode(key_bytes).decode()


def write_encrypted(path: Path, *, plaintext_footer: bool) -> None:
    factory = parquet_encryption.CryptoFactory(Kms)
    rows = pa.table({"order_id": [1, 2], "status": ["a", "b"]})
    chosen = parquet_encryption.EncryptionConfiguration(
        footer_key="footer", column_keys={"column": ["status"]}, plaintext_footer=plaintext_footer
    )
    properties = factory.file_encryption_properties(parquet_encryption.KmsConnectionConfig(), chosen)
    path.parent.mkdir(parents=True)
    with pq.ParquetWriter(path, rows.schema, encryption_properties=properties) as writer:
        writer.write_table(rows)


@pytest.mark.parametrize("plaintext_footer", [True, False])
def test_encrypted_file_is_named_in_the_message(plaintext_footer: bool, tmp_path: Path) -> None:
    write_encrypted(tmp_path / "orders" / DAY / "data.parquet", plaintext_footer=plaintext_footer)
    with pytest.raises(FileEncrypted, match=r"data\.parquet"):
        describe(LAKE, LakeFiles(FolderFiles(tmp_path)))
    with pytest.raises(LakeError, match=r"data\.parquet"):
        contents(local_files(tmp_path))


def test_column_name_with_quotes_is_only_a_name(tmp_path: Path) -> None:
    table = TableSchema("odd", {ODD: "bigint", "at": "timestamp"}, KEYS)
    path = tmp_path / "odd" / DAY / "it's.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({ODD: [7]}), path)
    lake = LakeFiles(FolderFiles(tmp_path))
    footers = lake.footers.read(lake.files_of(table))
    connection = duckdb.connect()
    connection.execute(view("scan_0", table, footers, [str(path)], [ODD]))
    found = connection.execute("SELECT * FROM scan_0")
    assert [column[0] for column in found.description] == [ODD, "at", "year", "month", "day", "at__utc"]
    assert found.fetchall() == [(7, None, 2025, 1, 10, None)]


def test_column_name_of_any_kind_is_quoted_in_athenas_ddl() -> None:
    table = TableSchema("odd", {"two words": "bigint", "tick`": "string"}, KEYS)
    catalog = LakeCatalog("lake", {"odd": table})
    sql = statements(catalog, "s3://b/lake", "projection", {})[1].sql
    assert "`two words` bigint" in sql
    assert "`tick``` string" in sql


@pytest.mark.parametrize(
    "text", ["123456789012345678901234567890123456.78", "-9999999999999999999999999999999999999.9"]
)
def test_decimal_of_38_digits_is_predicted_and_answered(text: str, tmp_path: Path) -> None:
    value = Decimal(text)
    kind = pa.decimal128(38, len(text.partition(".")[2]))
    path = tmp_path / "big" / DAY / "data.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"n": pa.array([value], kind)}), path, store_decimal_as_integer=True)
    table = TableSchema("big", {"n": f"decimal({kind.precision},{kind.scale})"}, KEYS)
    catalog = LakeCatalog("lake", {"big": table})
    with offline(tmp_path) as engine:
        found = answer(engine, f"SELECT n FROM big WHERE year = 2025 AND n = {text}", catalog)
    assert found.rows["n"].to_pylist() == [value]
