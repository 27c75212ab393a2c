"""Names of databases, tables and columns are data: no terminal, log or mail takes them for anything else."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

from jobs.cli.console import Output, print_table
from jobs.cli.logging import configure, make_redactor, redacted
from jobs.cli.result import JobResult
from services.formatting import printable, printable_lines
from services.operations.events import Event, EventType, Message, message
from services.operations.notifications import send
from services.settings.fields import database_names, split_names

AT = datetime(2026, 3, 10, 2, 0, 12, tzinfo=UTC)
HOSTILE = (
    "[/x]",
    "[link=https://evil.example/x]click[/link]",
    ":warning:",
    "a\x1b]0;title\x07",
    "a\n15:00:00 INFO done",
    "a\u202eb",
)


@given(st.text())
def test_printable_text_is_one_line_without_controls(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert shown.isprintable() or set(shown) - {char for char in shown if char.isprintable()} <= set(text)
    assert not any(char < " " or "\x7f" <= char < "\xa0" for char in shown)
    shown.encode()


def test_printable_lines_keep_only_indented_continuations() -> None:
    assert printable_lines("a:\n  b\n15:00 INFO c") == "a:\n  b\\n15:00 INFO c"


@pytest.mark.parametrize("name", HOSTILE)
def test_console_prints_a_name_as_escaped_text(name: str) -> None:
    file = StringIO()
    console = Output(file=file, width=200, force_terminal=True, no_color=True)
    console.print(f"  database    {name}")
    assert file.getvalue() == f"  database    {printable(name)}\n"


@pytest.mark.parametrize("terminal", [True, False])
def test_table_escapes_heads_and_cells(terminal: bool) -> None:
    file = StringIO()
    console = Output(file=file, width=200, force_terminal=terminal, no_color=True)
    for name in HOSTILE:
        print_table(console, ["head", name], [["cell", name]], [name])
    lines = [line.rstrip() for line in file.getvalue().splitlines()]
    assert [line.removeprefix("\x1b[1m").split("\x1b[0m")[0] for line in lines if "cell" in line] == lines[1::2]
    assert "\x1b]" not in file.getvalue()
    assert all(printable(name) in file.getvalue() for name in HOSTILE)


@pytest.fixture
def text_log(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    configure("INFO", "text", make_redactor(["se\x07cret"]), job="backup")
    return lambda: capsys.readouterr().err.splitlines()


def test_text_log_escapes_a_name_with_controls(text_log: Callable[[], list[str]]) -> None:
    for name in HOSTILE:
        logger.info("backing up {}", name)
    assert [line[17:] for line in text_log()] == [f"backing up {printable(name)}" for name in HOSTILE]


def test_text_log_escapes_a_traceback_and_its_secret(text_log: Callable[[], list[str]]) -> None:
    try:
        raise ValueError("a\x1b[2Kse\x07cret")
    except ValueError as error:
        logger.opt(exception=error).critical("bug")
    lines = text_log()
    assert lines[0].endswith("CRITICAL bug")
    assert lines[-1] == "ValueError: a\\x1b[2K***"


def test_json_result_hides_a_secret_with_a_quote(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = JobResult("backup", "12345678", as_json=True)
    outcome.hide(['pass"w\u00f6rd'])
    outcome.report({'pass"w\u00f6rd': ['is pass"w\u00f6rd']}, lambda *_: None, None)
    assert json.loads(capsys.readouterr().out)["result"] == {"***": ["is ***"]}


def test_redacted_keeps_numbers_and_nothing() -> None:
    assert redacted({"a": [1, None, True, "x"]}, str.upper) == {"A": [1, None, True, "X"]}


def test_message_escapes_a_name_with_a_line_break() -> None:
    told = message(
        Event(EventType.FAILURE, "backup", "a\nBcc: x", AT, error="1 failed:\n  a\x1b[2K\nb", next_step="look")
    )
    assert told.title == "backup of a\\nBcc: x FAILED"
    assert "what       1 failed:\n  a\\x1b[2K\\nb\n" in told.body


def test_address_without_scheme_is_reported_without_its_text() -> None:
    (problem,) = send(["7463528190AAtokenPart:secret@chat"], EventType.FAILURE, Message("a", "b"))
    assert "746352" not in problem
    assert "address 1 of 1" in problem


def test_mail_is_plain_text() -> None:
    received: list[bytes] = []

    class Server(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            in_data = False
            self.wfile.write(b"220 test\r\n")
            for line in self.rfile:
                received.append(line)
                in_data = in_data and line != b".\r\n"
                if not in_data:
                    in_data = line.startswith(b"data")
                    self.wfile.write(b"354 go\r\n" if in_data else b"250 ok\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        url = f"mailto://127.0.0.1:{server.server_address[1]}?from=a@example.com&to=b@example.com&mode=insecure"
        problems = send(
            [url], EventType.FAILURE, Message("a", "what       <img src=https://evil.example/x>\nnext       b")
        )
        server.shutdown()
    assert problems == []
    mail = b"".join(received).decode()
    assert "text/html" not in mail
    assert "what       <img src=https://evil.example/x>\r\nnext       b" in mail.replace("=3D", "=")


def test_database_name_with_line_break_needs_quotes() -> None:
    assert split_names(database_names('"a\nb"')) == ["a\nb"]
    with pytest.raises(ValueError, match="double quotes"):
        database_names("a\nb")
