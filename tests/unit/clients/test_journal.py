"""The journal under crashes and several writers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tasks.clients.journal import Journal

_ROOT = Path(__file__).parents[3]
_WRITERS = 4
_LINES = 50


def test_what_was_appended_is_read_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    written = [journal.append("smoke", "note", text=text) for text in ("one", "zwei – ü", "three\nlines\r\u2028")]
    assert journal.read() == (tuple(written), 0)


def test_a_journal_that_was_never_written_is_empty(tmp_path: Path) -> None:
    assert Journal(tmp_path / "journal.jsonl").read() == ((), 0)


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("smoke", "note", text="x")
    assert journal.path.stat().st_mode & 0o777 == 0o600


def test_a_torn_tail_is_ended_and_costs_one_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("smoke", "note", text="before")
    with journal.path.open("ab") as file:
        file.write(b'{"at":"2026-11-23T08:0')
    journal.append("smoke", "note", text="after")
    journal.append("smoke", "note", text="later")
    events, unreadable = journal.read()
    assert [event.data["text"] for event in events] == ["before", "after", "later"]
    assert unreadable == 1


def test_a_tail_cut_right_before_its_newline_costs_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("smoke", "note", text="before")
    journal.path.write_bytes(journal.path.read_bytes().rstrip(b"\n"))
    journal.append("smoke", "note", text="after")
    events, unreadable = journal.read()
    assert [event.data["text"] for event in events] == ["before", "after"]
    assert unreadable == 0


def test_unreadable_lines_anywhere_are_counted_and_skipped(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.path.write_bytes(b'\x00\xff nonsense\n{"kind":"of another time"}\n')
    journal.append("smoke", "note", text="readable")
    with journal.path.open("ab") as file:
        file.write(b"[]\n")
    events, unreadable = journal.read()
    assert [event.data["text"] for event in events] == ["readable"]
    assert unreadable == 3


def test_writers_in_several_processes_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    program = (
        "import sys\nfrom pathlib import Path\nfrom tasks.clients.journal import Journal\n"
        f"for number in range({_LINES}):\n"
        "    Journal(Path(sys.argv[1])).append('ramp', 'note', text='x' * 5000, writer=sys.argv[2], number=number)\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(path), str(writer)], cwd=_ROOT)
        for writer in range(_WRITERS)
    ]
    assert [writer.wait(120) for writer in writers] == [0] * _WRITERS
    events, unreadable = Journal(path).read()
    assert unreadable == 0
    for writer in range(_WRITERS):
        numbers = [event.data["number"] for event in events if event.data["writer"] == str(writer)]
        assert numbers == list(range(_LINES))
