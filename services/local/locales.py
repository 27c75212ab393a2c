"""Locales of the C library that a database needs and this machine does not have: compiled into a folder."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

_NAME = re.compile(r"(?P<language>[A-Za-z0-9_]+)(?:\.(?P<charset>[A-Za-z0-9-]+))?(?P<modifier>@[A-Za-z0-9]+)?")
_BUILT_IN = {"c", "posix", "c.utf8"}
_SUPPORTED = Path("/usr/share/i18n/SUPPORTED")  # lines of 'de_DE@euro ISO-8859-15'
_SECONDS = 60


def compile_locales(names: Iterable[str], folder: Path) -> bool:
    """Compile what this machine lacks into `folder`, and return whether LOCPATH must name that.

    What cannot be compiled is left out: PostgreSQL says then which locale it misses.
    """
    needed = {_normal(name): name for name in names if _NAME.fullmatch(name) and _normal(name) not in _BUILT_IN}
    if not needed or needed.keys() <= _installed() or shutil.which("localedef") is None:
        return False
    folder.mkdir()
    for name in needed.values():  # with LOCPATH, glibc does not look into its archive: those of it too
        _compile(name, folder)
    return any(folder.iterdir())


def _compile(name: str, folder: Path) -> None:
    parts = _NAME.fullmatch(name)
    assert parts is not None  # noqa: S101
    modifier = parts["modifier"] or ""
    charset = _charset(parts["charset"], name)
    # glibc looks for the name as it is given, then with its character set in small letters without hyphens
    stored = f"{parts['language']}.{_plain(charset)}{modifier}" if parts["charset"] else name
    command: list[str | Path] = ["localedef", "--no-archive", "-i", parts["language"] + modifier, "-f", charset]
    subprocess.run([*command, folder / stored], capture_output=True, check=False, timeout=_SECONDS)


def _charset(given: str | None, name: str) -> str:
    if given is not None:
        return "UTF-8" if _plain(given) == "utf8" else given
    lines = _SUPPORTED.read_text(encoding="utf-8", errors="replace").splitlines() if _SUPPORTED.is_file() else []
    return next((words[1] for words in map(str.split, lines) if words[:1] == [name] and len(words) > 1), "UTF-8")


def _installed() -> set[str]:
    try:
        answer = subprocess.run(["locale", "-a"], capture_output=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return set()
    return {_normal(line) for line in answer.stdout.decode(errors="replace").splitlines()}


def _normal(name: str) -> str:
    """One spelling for 'en_US.UTF-8', 'en_US.utf8' and the like, as glibc reads them."""
    parts = _NAME.fullmatch(name)
    if parts is None or parts["charset"] is None:
        return name.lower()
    return f"{parts['language']}.{_plain(parts['charset'])}{parts['modifier'] or ''}".lower()


def _plain(charset: str) -> str:
    return charset.lower().replace("-", "")
