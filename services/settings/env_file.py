"""The file .env, read whole or refused: a line that is passed over is a setting that does not hold."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from services.errors import SettingsError


def read_dotenv(path: Path) -> dict[str, str | None]:
    """The variables that the file gives; none when there is no such file.

    Raises SettingsError for one that cannot be read, and names a line that is none, never what it holds.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        return {}
    except UnicodeDecodeError:
        raise SettingsError(f"'{path}' is no text in UTF-8.", next_step="Save it as UTF-8.") from None
    except OSError as error:
        raise SettingsError(
            f"'{path}' cannot be read: {(error.strerror or 'error').lower()}.",
            next_step="Let the user that runs the job read it, or move it away and set the environment instead.",
        ) from None
    for line in parse_stream(StringIO(text)):
        if line.error:
            number = line.original.line + (len(line.original.string) - len(line.original.string.lstrip("\r\n")))
            raise SettingsError(
                f"'{path}' has a line that sets nothing, number {number}.",
                next_step="Write NAME=value, in quotes where it holds spaces, '#' or quotes.",
            )
    return dotenv_values(stream=StringIO(text))
