"""What the jobs are composed of."""

from importlib.metadata import version

__version__ = version("shoreline")
