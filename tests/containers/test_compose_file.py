"""The compose file and the Dockerfile keep the rules that they claim to keep."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.containers.project import ROOT, Project, docker

PROFILES = ["localstack", "aws", "schedule", "jobs", "postgres"]
JOBS = ["setup", "backup", "restore", "drill", "generate", "export", "upload", "athena", "cleanup"]


@pytest.fixture(scope="session")
def services(make_project: Callable[..., Project]) -> dict[str, Any]:
    """Every service of every profile, as Compose understands it."""
    project = make_project("config")
    flags = [flag for profile in PROFILES for flag in ("--profile", profile)]
    found: dict[str, Any] = json.loads(project.compose(*flags, "config", "--format", "json").output)["services"]
    return found


@pytest.mark.parametrize("profile", PROFILES)
def test_the_file_is_clean_for_every_profile(make_project: Callable[..., Project], profile: str) -> None:
    ended = make_project("config", profile).compose("config", "--quiet")
    assert ended.output + ended.errors == ""


def test_there_is_a_service_for_each_job(services: dict[str, Any]) -> None:
    for job in JOBS:
        assert services[job]["entrypoint"] == ["shoreline", job]
        assert services[job]["restart"] == "no"


def test_every_service_is_locked_down(services: dict[str, Any]) -> None:
    assert {"postgres", "localstack", *JOBS} < set(services)
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["tmpfs"], name
        assert "build" not in service or service["init"] is True, name
        if name != "postgres":
            assert service["user"].split(":")[0] != "0", name
            assert "cap_add" not in service, name


def test_servers_run_without_a_capability_and_not_as_root(here: Project) -> None:
    """PostgreSQL starts as root, which owns its data folder, and becomes `postgres`."""
    here.compose("up", "--detach", "--wait", "postgres", "localstack")
    for server in ("postgres", "localstack"):
        lines = here.compose("exec", "-T", server, "cat", "/proc/1/status").output.splitlines()
        status = {name: words.split() for name, _, words in (line.partition(":") for line in lines)}
        assert "0" not in status["Uid"], server
        assert int(status["CapEff"][0], 16) == int(status["CapPrm"][0], 16) == 0, server
        assert status["NoNewPrivs"] == ["1"], server


def test_every_service_has_limits_and_a_log_that_is_rotated(services: dict[str, Any]) -> None:
    for name, service in services.items():
        limits = service["deploy"]["resources"]["limits"]
        assert set(limits) == {"cpus", "memory", "pids"}, name
        assert service["logging"]["options"]["max-size"], name


def test_ports_are_open_to_this_machine_only(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}


def test_servers_have_health_checks_and_jobs_wait_for_them(services: dict[str, Any]) -> None:
    for name in ("postgres", "localstack", "schedule"):
        assert services[name]["healthcheck"]["test"]
    for name in JOBS:
        for server in ("postgres", "localstack"):
            assert services[name]["depends_on"][server] == {"condition": "service_healthy", "required": False}


@pytest.mark.parametrize("job", ["restore", "drill", "schedule", "demo"])
def test_temporary_files_of_large_jobs_are_not_in_memory(services: dict[str, Any], job: str) -> None:
    mounts = {volume["target"] for volume in services[job]["volumes"]}
    assert services[job]["environment"]["TMPDIR"] in mounts


def test_plain_up_runs_no_job(make_project: Callable[..., Project]) -> None:
    started = set(make_project("config").compose("config", "--services").output.split())
    assert started == {"postgres", "localstack", "profile-localstack"}


def test_the_dockerfile_keeps_the_rules() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    steps = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    assert not [step for step in steps if step.startswith("ADD ")]
    assert ":latest" not in text
    assert re.search(r"^ARG BASE=\S+:\S+$", text, re.MULTILINE)
    assert re.search(r'"uv==\$\{UV_VERSION\}"', text)
    for step in steps:
        if "apt-get install" in step:
            assert "--no-install-recommends" in step
            assert "rm -rf /var/lib/apt/lists/*" in step
    assert [step for step in steps if step.startswith("USER ")][-1] == "USER 1000:1000"
    assert steps[-2].startswith("ENTRYPOINT [")


def test_the_image_says_what_it_is_and_runs_as_nobody_special(image: str) -> None:
    config = json.loads(docker("image", "inspect", "--format", "{{json .Config}}", image).output)
    labels = config["Labels"]
    version, revision = (labels[f"org.opencontainers.image.{name}"] for name in ("version", "revision"))
    assert docker("run", "--rm", image, "--version").output.strip() == f"shoreline {version} ({revision})"
    assert config["User"] == "1000:1000"


def test_the_image_holds_what_jobs_need_and_nothing_else(image: str) -> None:
    listing = docker("run", "--rm", "--entrypoint", "sh", image, "-c", "ls -A /app; command -v uv gcc pytest; true")
    there = set(listing.output.split())
    assert {".venv", "jobs", "services", "sql", "uv.lock"} <= there
    assert not there & {".env", ".git", "secrets", "tests", "docs", "localstack"}
    assert not [path for path in there if path.endswith(("/uv", "/gcc", "/pytest"))]
    arrow = "import polars, duckdb, pyarrow.compute, pyarrow.dataset, pyarrow.fs, pyarrow.parquet"
    assert docker("run", "--rm", "--entrypoint", "python", image, "-c", arrow).exit_code == 0
    code = "from services.s3.client import *; a = Aws(AwsAccess('us-east-1')); a.s3, a.sts, a.athena, a.glue"
    assert docker("run", "--rm", "--entrypoint", "python", image, "-c", code).exit_code == 0


def test_image_holds_the_code_in_a_small_layer(image: str) -> None:
    """A change of code is a download of megabytes, not of all dependencies."""
    layers = docker("history", "--no-trunc", "--human=false", "--format", "{{.Size}} {{.CreatedBy}}", image).output
    sizes = [int(line.split()[0]) for line in layers.splitlines() if "COPY /project /app" in line]
    assert len(sizes) == 1
    assert sizes[0] < 5_000_000


def test_a_job_starts_in_under_a_second(image: str) -> None:
    """In seconds of CPU, which other work on this machine does not lengthen; the engine's 0.3 s come to them."""
    code = (
        "import resource, subprocess; subprocess.run(['shoreline', 'backup', '--help'], check=True, stdout=2);"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN); print(used.ru_utime + used.ru_stime)"
    )
    best = min(float(docker("run", "--rm", "--entrypoint", "python", image, "-c", code).output) for _ in range(3))
    assert best < 0.7
