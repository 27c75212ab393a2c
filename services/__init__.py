"""What the jobs are composed of."""

from __future__ import annotations


def __getattr__(name: str) -> str:
    """`__version__`, read when it is asked for: `shoreline --help` need not find the package's metadata."""
    if name != "__version__":
        raise AttributeError(name)
    from importlib.metadata import version

    return version("shoreline")
