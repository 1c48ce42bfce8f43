"""The journal under crashes and several writers."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tasks.clients.journal import Journal
from tests.disks import fill, small_disk

_ROOT = Path(__file__).parents[3]
_WRITERS = 4
_LINES = 50
_KILLS = 200


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


def _append_forever(path: Path, writer: int, said: Connection) -> None:
    for number in range(1_000_000):
        Journal(path).append(
            "ramp", "note", text="x" * random.Random(number).randint(1, 2000), writer=writer, number=number
        )
        said.send(number)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_what_was_reported_as_written_is_there_after_a_kill_at_any_moment(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    chance = random.Random(5)
    context = get_context("fork")
    reported: dict[int, int] = {}
    for writer in range(_KILLS):
        heard, said = context.Pipe(duplex=False)
        process = context.Process(target=_append_forever, args=(path, writer, said))
        process.start()
        assert heard.poll(60)
        time.sleep(chance.uniform(0, 0.01))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        said.close()
        while heard.poll():
            try:
                reported[writer] = heard.recv()
            except EOFError:
                break
    events, unreadable = Journal(path).read()
    # The kernel itself breaks a write off between two pages when its process is killed: such an event was never reported.
    assert unreadable <= 2
    for writer, last in reported.items():
        numbers = [event.data["number"] for event in events if event.data["writer"] == writer]
        # One more may be there than was reported: it was written, and the writer died before it could say so.
        assert numbers in (list(range(last + 1)), list(range(last + 2)))
    assert len(reported) == _KILLS


def test_an_event_that_does_not_fit_on_the_disk_is_refused_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("ramp", "note", text="before")
    process = get_context("spawn").Process(target=_append_beyond, args=(journal.path,))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    events, unreadable = journal.read()
    assert ([event.data["text"] for event in events], unreadable) == (["before"], 0)


def _append_beyond(path: Path) -> None:
    """Append where the file may not grow by the whole line: the kernel takes a part of it, as a full disk does."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, resource.RLIM_INFINITY))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with pytest.raises(OSError, match="could not be written"):
        Journal(path).append("ramp", "note", text="x" * 5000)


def test_on_a_full_disk_the_lines_of_the_ending_are_written_while_others_take_what_becomes_free(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        journal = Journal(disk / "journal.jsonl")
        journal.reserve()
        journal.append("ramp", "note", text="before")
        fill(disk)
        written = []
        for number in range(40):
            written.append(journal.append("teardown", "note", text="x" * 5000, number=number))
            fill(disk)
        events, unreadable = journal.read()
        assert (list(events[1:]), unreadable) == (written, 0)


def test_when_the_reserve_is_used_up_too_an_event_is_refused_whole(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        journal = Journal(disk / "journal.jsonl")
        journal.reserve()
        journal.append("ramp", "note", text="before")
        fill(disk)
        with pytest.raises(OSError, match="could not be written"):
            journal.append("ramp", "note", text="x" * 2**22)
        events, unreadable = journal.read()
        assert ([event.data["text"] for event in events], unreadable) == (["before"], 0)
