"""Imports whatever a job imports when it is run, so that a process forked from this one need not."""

import importlib
import pkgutil

import jobs
import services
import tests.conftest  # noqa: F401

for _package in (jobs, services):
    for _module in pkgutil.walk_packages(_package.__path__, f"{_package.__name__}."):
        if not _module.name.endswith("__main__"):
            importlib.import_module(_module.name)
