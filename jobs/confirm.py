"""A question before a step that cannot be taken back."""

from __future__ import annotations

from services.errors import NotConfirmed


def confirm(question: str, name: str, refusal: str) -> None:
    """Ask for a name to be typed. Raises NotConfirmed, which says `refusal`, for anything else."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    try:
        typed = console.input(f"{question} ({name}): ", markup=False)
    except EOFError:
        typed = ""
    except KeyboardInterrupt:
        console.print()  # what follows begins a line of its own
        raise
    if typed.strip() != name:
        raise NotConfirmed(refusal, next_step="Run it again, and type the name exactly.")
