"""A question before a step that cannot be taken back."""

from __future__ import annotations

from services.errors import NotConfirmed


def confirm(question: str, name: str, refusal: str) -> None:
    """Ask for a name to be typed. Raises NotConfirmed, which says `refusal`, for anything else."""
    from jobs.console import Output

    console = Output(stderr=True)
    try:
        typed = console.input(f"{question} ({name}): ")
    except EOFError:
        typed = ""
    except KeyboardInterrupt:
        console.print()  # what follows begins a line of its own
        raise
    if typed.strip() != name:
        raise NotConfirmed(refusal, next_step="Run it again, and type the name exactly.")
