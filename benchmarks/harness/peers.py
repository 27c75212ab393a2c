"""The peers: installed at pinned versions into environments of their own, away from Shoreline's and the system's."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.local.stack import HOME, PROJECT

FOLDER = HOME / "peers"
LIST = PROJECT / "benchmarks" / "peers.toml"


class PeerMissing(Exception):
    """A peer could not be installed here."""


@dataclass
class Peers:
    """The environments of benchmarks/peers.toml, each made when it is first needed."""

    folder: Path = FOLDER
    _made: set[str] = field(default_factory=set)

    def listed(self) -> dict[str, dict[str, Any]]:
        """Each environment's table in the list: `pip` or `debian`, with pinned requirements."""
        return tomllib.loads(LIST.read_text(encoding="utf-8"))

    def install(self, name: str) -> None:
        """Makes an environment where it is missing or differs from the list. Raises PeerMissing."""
        if name in self._made:
            return
        wanted = self.listed()[name]
        mark = self.folder / name / "installed"
        if not mark.exists() or mark.read_text() != repr(wanted):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            (self.folder / name).mkdir(parents=True)
            if "pip" in wanted:
                self._pip(name, wanted["pip"])
            else:
                self._debian(name, wanted["debian"])
            mark.write_text(repr(wanted))
        self._made.add(name)

    def python(self, name: str) -> str:
        """The interpreter of a `pip` environment."""
        return str(self.folder / name / "bin" / "python")

    def paths(self) -> list[str]:
        """The folders in which the peers' programs lie."""
        return [
            str(self.folder / name / ("bin" if "pip" in table else "usr/bin")) for name, table in self.listed().items()
        ]

    def versions(self) -> dict[str, list[str]]:
        """The pinned requirements of the environments that were made in this run."""
        listed = self.listed()
        return {name: listed[name].get("pip") or listed[name]["debian"] for name in sorted(self._made)}

    def _pip(self, name: str, requirements: list[str]) -> None:
        uv = shutil.which("uv") or str(Path(sys.prefix) / "bin" / "uv")
        folder = str(self.folder / name)
        _run([uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, folder])
        _run([uv, "pip", "install", "--quiet", "--python", self.python(name), *requirements])

    def _debian(self, name: str, packages: list[str]) -> None:
        if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
            raise PeerMissing("this system has no Debian packages")
        folder = self.folder / name
        _run(["apt-get", "download", "-o", "APT::Sandbox::User=root", *packages], folder)
        for package in folder.glob("*.deb"):
            _run(["dpkg", "-x", str(package), str(folder)])
            package.unlink()


def _run(command: list[str], folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise PeerMissing((done.stderr or done.stdout).strip()[-500:])
