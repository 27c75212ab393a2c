"""PostgreSQL's encodings by the names of Python's codecs."""

from __future__ import annotations

_LATIN = {f"LATIN{number}": f"iso8859_{part}" for number, part in enumerate((1, 2, 3, 4, 9, 10, 13, 14, 15, 16), 1)}
_CODECS = {
    "EUC_CN": "euc_cn",
    "EUC_JIS_2004": "euc_jis_2004",
    "EUC_JP": "euc_jp",
    "EUC_KR": "euc_kr",
    "KOI8R": "koi8_r",
    "KOI8U": "koi8_u",
    "WIN866": "cp866",
    "WIN874": "cp874",
    **{f"ISO_8859_{part}": f"iso8859_{part}" for part in range(5, 9)},
    **{f"WIN{page}": f"cp{page}" for page in range(1250, 1259)},
    **_LATIN,
}


def codec(encoding: str) -> str:
    """Return the name of the codec for a server encoding: UTF-8 also for those that Python has none for.

    They are SQL_ASCII, which may hold any bytes, EUC_TW and MULE_INTERNAL.
    """
    return _CODECS.get(encoding, "utf_8")
