"""LocalStack as a local process, with its packages in a separate environment."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil

from services.errors import StackError
from services.local.processes import free_port

_START_SECONDS = 90  # the first start on a slow disk compiles Python files
_STOP_SECONDS = 15
_SERVICES = "s3,sts,iam"


class LocalStack:
    """LocalStack in `folder`, with its packages in `environment`; both are created if missing."""

    def __init__(self, folder: Path, environment: Path, sources: Path) -> None:
        self.folder = folder.absolute()
        self.environment = environment.absolute()
        self.requirements = sources / "requirements.txt"
        self._serve = sources / "serve.py"
        self._log = self.folder / "server.log"
        self._pid_file = self.folder / "pid"

    def install(self) -> None:
        """Create the environment from the pinned, hashed requirements, unless it is up to date."""
        from loguru import logger

        mark = self.environment / "installed"
        wanted = hashlib.sha256(self.requirements.read_bytes()).hexdigest()
        if mark.exists() and mark.read_text() == wanted:
            return
        logger.info("installing LocalStack, once")
        uv, python = _uv(), str(self.environment / "bin" / "python")
        create = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(self.environment)]
        install = [
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            python,
            "--require-hashes",
            "-r",
            str(self.requirements),
        ]
        for command in (create, install):
            done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
            if done.returncode != 0:
                raise StackError(f"LocalStack could not be installed:\n  {done.stderr.strip()[-2000:]}")
        mark.write_text(wanted)

    def start(self) -> str:
        """Start LocalStack unless it is running, and return its endpoint. Raises StackError."""
        if endpoint := self.endpoint():
            return endpoint
        self.install()
        self.folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [self.environment / "bin" / "python", self._serve],
                env=self._variables(port),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        endpoint = f"http://127.0.0.1:{port}"
        self._await(process, endpoint)
        self._pid_file.write_text(f"{process.pid} {port}")
        return endpoint

    def endpoint(self) -> str | None:
        """Return the endpoint of the running server, or None."""
        process = self._process()
        if process is None:
            return None
        return f"http://127.0.0.1:{self._pid_file.read_text().split()[1]}"

    def stop(self) -> None:
        """Stop the server if it is running. Its objects are lost."""
        process = self._process()
        if process is not None:
            process.terminate()
            if not self._gone(_STOP_SECONDS):
                process.kill()
                self._gone(_STOP_SECONDS)
        self._pid_file.unlink(missing_ok=True)

    def _process(self) -> psutil.Process | None:
        """Return the process of the pid file, unless another program now has its pid."""
        try:
            process = psutil.Process(int(self._pid_file.read_text().split()[0]))
            alive = process.status() != psutil.STATUS_ZOMBIE and str(self._serve) in process.cmdline()
        except (FileNotFoundError, ValueError, IndexError, psutil.Error):
            return None
        return process if alive else None

    def _gone(self, seconds: float) -> bool:
        """Wait for the server to end and return whether it has. An unreaped zombie counts as ended."""
        deadline = time.monotonic() + seconds
        while self._process() is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def _await(self, process: subprocess.Popen[bytes], endpoint: str) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{endpoint}/_localstack/health", timeout=5):  # noqa: S310
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        process.kill()
        tail = self._log.read_text(errors="replace").splitlines()[-5:]
        raise StackError("LocalStack did not start:\n  " + "\n  ".join(tail), next_step=f"See {self._log}")

    def _variables(self, port: int) -> dict[str, str]:
        files = self.folder / "files"
        shutil.rmtree(files, ignore_errors=True)  # files of an earlier server
        files.mkdir()
        return {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self.folder),
            "TMPDIR": str(files),
            "GATEWAY_LISTEN": f"127.0.0.1:{port}",
            "SERVICES": _SERVICES,
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "DNS_ADDRESS": "0",
            "FILESYSTEM_ROOT": str(files),
            "OVERRIDE_IN_DOCKER": "0",  # use this folder in a container too
        }


def _uv() -> str:
    beside = Path(sys.prefix) / "bin" / "uv"
    found = shutil.which("uv") or (str(beside) if beside.exists() else None)
    if found is None:
        raise StackError("uv is not installed.", next_step="Run `make up`, which installs it into .venv.")
    return found
