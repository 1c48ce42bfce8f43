"""The report is a function of journal and evidence, and it is there whatever the journal and the evidence lack."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blocks.models.errors import NoData, Refused
from blocks.models.event import Event
from flows.report import main
from tasks.report import render_run
from tasks.rules.record import fold
from tasks.rules.summary import headline, how_it_ended, next_steps, tiles

from .runs import RUN_ID, event, journal, write

ROOT = Path(__file__).parents[3]
PAGES = ("record.json", "report.md", "report.html")
_SHORT = {breached: journal(2, breached=breached) for breached in (False, True)}


@pytest.mark.long
def test_another_process_with_another_hash_seed_and_time_zone_renders_the_same_bytes(tmp_path: Path) -> None:
    folders = [write(tmp_path / str(breached), lines, 2, pictures=[1]) for breached, lines in _SHORT.items()]
    for folder in folders:
        render_run(folder)
    first = {folder / name: (folder / name).read_bytes() for folder in folders for name in PAGES}
    for file in first:
        file.unlink()
    again = "import sys; from flows.report import main; sys.exit(max(main([folder]) for folder in sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", again, *map(str, folders)], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONHASHSEED": "4242", "TZ": "America/St_Johns", "LC_ALL": "C.UTF-8"}, timeout=200,
    )  # fmt: skip
    assert (done.returncode, done.stdout.split()) == (0, [str(folder / "report.html") for folder in folders]), (
        done.stderr
    )
    assert {file: file.read_bytes() for file in first} == first


@pytest.mark.parametrize("breached", [False, True])
def test_every_beginning_of_a_journal_has_a_first_screen(breached: bool) -> None:
    lines = journal(3, breached=breached)
    for kept in range(1, len(lines) + 1):
        record = fold(lines[:kept])
        closed = any(line.kind == "run_closed" for line in lines[:kept])
        assert headline(record)
        assert all(tile.value for tile in tiles(record))
        assert bool(how_it_ended(record)) != closed, kept
        assert "None" not in " ".join([*next_steps(record), headline(record), how_it_ended(record)])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.booleans(),
    st.integers(1, min(map(len, _SHORT.values()))),
    st.sampled_from(["", "series", "traces", "screenshots"]),
)
def test_every_beginning_of_a_journal_is_rendered_whatever_the_evidence_lacks(
    tmp_path: Path, breached: bool, kept: int, lost: str
) -> None:
    folder = write(tmp_path / "run", _SHORT[breached][:kept], 2)
    if lost:
        shutil.rmtree(folder / "evidence" / lost)
    with (folder / "journal.jsonl").open("a") as file:
        file.write('{"at": "2026-11-23T08:')
    page = render_run(folder).read_text()
    for text in (page, (folder / "report.md").read_text()):
        assert "None" not in re.sub(r"<svg.*?</svg>|<style>.*?</style>", "", text, flags=re.DOTALL)
        assert "{{" not in text
    assert "1 lines of the journal could not be read" in page
    assert json.loads((folder / "record.json").read_text())["unreadable_lines"] == 1


@pytest.mark.parametrize(("phase", "at"), [("preflight", "preflight.identity"), ("ramp", "ramp.tabs")])
def test_a_run_that_died_names_the_check_and_keeps_its_numbers(tmp_path: Path, phase: str, at: str) -> None:
    lines = journal(2)
    begun = next(index for index, line in enumerate(lines) if (line.phase, line.kind) == (phase, "phase_started"))
    died = [
        *lines[: begun + 1],
        event("teardown", "note", 9000, text="it crashed"),
        event("report", "run_closed", 9001),
    ]
    folder = write(tmp_path / "run", died, 2)
    page = render_run(folder).read_text()
    assert f"The run died at {at}." in page
    assert "Read the worker&#39;s log for why the run died" in page
    assert f"# INCONCLUSIVE: The run died at {at}." in (folder / "report.md").read_text()
    if phase == "ramp":
        assert "58 resources" in page
        assert "infrastructure was made and nothing says that it is gone" in page


def test_a_run_that_somebody_interrupted_did_not_die(tmp_path: Path) -> None:
    lines = journal(2)
    last = next(index for index, line in enumerate(lines) if line.kind == "stage_steady" and line.data["number"] == 2)
    broken_off = event("ramp", "note", 8999, text="The ramp phase was broken off by a signal.", interrupted=True)
    ended = [*lines[: last + 1], broken_off, event("report", "run_closed", 9001)]
    folder = write(tmp_path / "run", ended, 2)
    page = render_run(folder).read_text()
    assert "The run was interrupted at stage 2 of the ramp." in page
    assert "Start it again: it was interrupted by Ctrl-C, a cancel or a SIGTERM." in page
    assert "Not reached: the run was interrupted in its ramp phase." in page
    assert "died" not in page
    assert "# INCONCLUSIVE: The run was interrupted at stage 2 of the ramp." in (folder / "report.md").read_text()


def test_a_run_that_died_while_a_stage_was_held_shows_what_was_captured_and_why_the_rest_is_not(tmp_path: Path) -> None:
    lines = journal(2)
    last = next(index for index, line in enumerate(lines) if line.kind == "stage_steady" and line.data["number"] == 2)
    page = render_run(write(tmp_path / "run", lines[: last + 1], 2)).read_text()
    assert "Live p95: signin 63, bet 42" in page
    assert "The run did not get beyond stage 2 of the ramp." in page
    assert "not captured: the run ended in ramp before it" in page
    assert "not captured: the run ended before its series were kept" in page
    assert "it still runs, or died there" in page


def test_what_a_stage_says_it_lacks_stands_where_the_value_would_be(tmp_path: Path) -> None:
    why = {"numbers": "the load generator was lost", "screenshot": "Grafana did not answer", "traces": "Jaeger is gone"}
    lines = [
        line.model_copy(update={"data": {"number": 2, "not_captured": why}})
        if line.phase == "collect" and line.kind == "stage_numbers" and line.data["number"] == 2
        else line
        for line in journal(2)
    ]
    folder = write(tmp_path / "run", lines, 2)
    page, text = render_run(folder).read_text(), (folder / "report.md").read_text()
    for sentence in why.values():
        assert f"not captured: {sentence}" in page.replace("Exact numbers not captured", "not captured")
        assert f"not captured: {sentence}" in text


def test_evidence_that_is_not_what_was_journaled_is_not_drawn(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", journal(2), 2, pictures=[1])
    (folder / "evidence" / "series" / "p95.json").write_text("{}")
    (folder / "evidence" / "series" / "cpu.json").unlink()
    (folder / "evidence" / "screenshots" / "stage-01.png").write_bytes(b"\x89PNG torn")
    page = render_run(folder).read_text()
    assert "evidence/series/p95.json is not the file that was journaled: its SHA-256 differs" in page
    assert "evidence/series/cpu.json is not in the evidence" in page
    assert "stage-01.png is not a whole picture" in page
    assert "stage-02.png is not in the evidence" in page
    assert page.count("<svg") == 8


@contextmanager
def _no_file_above(size: int) -> Iterator[None]:
    """No file can become larger than so many bytes, as on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_without_room_for_pictures_the_page_is_there_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "run", journal(2), 2, pictures=[1, 2])
    whole = len(render_run(folder).read_bytes())
    with _no_file_above(whole - 100_000):
        code = main([str(folder)])
    assert code == 2
    assert "report.html could not be written: File too large. Make room, then run" in capsys.readouterr().err
    page = (folder / "report.html").read_text()
    assert "data:image/jpeg" not in page
    assert "not captured: report.html could not be written: File too large" in page
    assert "Scorecard" in page


def test_a_run_without_a_ramp_that_kept_its_series_has_a_page(tmp_path: Path) -> None:
    lines = [line for line in journal(1) if not line.kind.startswith("stage_")]
    page = render_run(write(tmp_path / "run", lines, 1)).read_text()
    assert "p95" in page


def test_without_any_room_the_small_pages_are_there(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", journal(2), 2)
    with _no_file_above(60_000):
        assert main([str(folder)]) == 2
    assert (folder / "report.md").read_text().startswith("# PASS")
    assert (folder / "record.json").is_file()
    assert sorted(item.name for item in folder.iterdir()) == ["evidence", "journal.jsonl", "record.json", "report.md"]


def test_a_folder_without_a_journal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"holds no journal\.jsonl"):
        render_run(tmp_path)


@pytest.mark.parametrize("lines", [[], [event("preflight", "phase_started", 1)]])
def test_a_journal_that_opens_no_run_is_refused(tmp_path: Path, lines: list[Event]) -> None:
    with pytest.raises(NoData, match="no line that opens a run"):
        render_run(write(tmp_path / "run", lines, 1))


def test_what_a_journal_holds_cannot_break_out_of_the_page(tmp_path: Path) -> None:
    lines = [
        line.model_copy(update={"data": {**line.data, "detail": "<script>alert(1)</script> | `x`"}})
        if line.kind == "check"
        else line
        for line in journal(1)
    ]
    folder = write(tmp_path / "run", lines, 1)
    page = render_run(folder).read_text()
    assert "<script" not in page
    assert RUN_ID in page
    rows = [line for line in (folder / "report.md").read_text().splitlines() if "alert(1)" in line]
    assert rows
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows if row.startswith("| `"))
