"""The image, built once, and two projects of it side by side."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from services import __version__
from tests.containers.project import ROOT, Project, docker

RUN = uuid.uuid4().hex[:6]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fails, and does not skip, where no engine answers."""
    if any("containers" in item.nodeid for item in items) and docker("info", check=False).exit_code != 0:
        pytest.exit("No Docker engine answers: these tests need one.", returncode=4)


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """The image of this working tree, under a tag of this run's own."""
    tag = f"shoreline:test-{RUN}"
    stated = ("--build-arg", f"REVISION={RUN}", "--build-arg", f"VERSION={__version__}")
    docker("build", "--quiet", *stated, "--tag", tag, str(ROOT), timeout=600)
    yield tag
    docker("image", "rm", "--force", tag)


@pytest.fixture(scope="session")
def make_project(image: str) -> Iterator[Callable[..., Project]]:
    """Makes projects that are removed at the end of the run, whatever happened."""
    made: list[Project] = []

    def make(name: str, profile: str = "", **settings: str) -> Project:
        project = Project(f"shoreline-test-{RUN}-{name}", {"SHORELINE_IMAGE": image, **settings}, profile)
        made.append(project)
        return project

    yield make
    for project in made:
        project.remove()


@pytest.fixture(scope="session")
def here(make_project: Callable[..., Project]) -> Project:
    """A project as `cp .env.example .env` makes it."""
    return make_project("here")


@pytest.fixture(scope="session")
def there(make_project: Callable[..., Project]) -> Project:
    """Another project on the same machine, started: a stack that is somebody else's."""
    project = make_project("there", BUCKET="their-bucket", PGDATABASE="theirs")
    project.result("setup")
    project.result("database")
    return project
