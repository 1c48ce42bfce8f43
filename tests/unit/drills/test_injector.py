from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from blocks.models.errors import Refused
from blocks.models.event import Event, Kind
from deployments.rehearsal import layout
from deployments.rehearsal.drills import note as notes
from deployments.rehearsal.drills.faults import DECISIONS, DRILLS, UNKNOWN, drill_named
from deployments.rehearsal.drills.injector import has_ended, is_steady, moment_of
from deployments.rehearsal.drills.note import Change, Note, read_note, write_note

RUN = UUID("00000000-0000-4000-8000-000000000001")


def event(kind: Kind, phase: str = "ramp", **data: object) -> Event:
    return Event(at=datetime.now(UTC), mono_s=0.0, pid=1, phase=phase, kind=kind, data=data)


def test_every_row_of_the_matrix_has_a_drill_and_a_decision() -> None:
    rows = {row for drill in DRILLS.values() for row in drill.rows}
    assert rows | {UNKNOWN} == set(DECISIONS)
    assert all(DRILLS[row].rows == (row,) for row in rows)
    assert {"healthy", "two-faults", "renamed-metric"} <= set(DRILLS)


def test_an_unknown_drill_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(Refused, match=r"no drill 'nope'.*prisma-pool.*healthy"):
        drill_named("nope")


def test_the_same_seed_chooses_the_same_moment() -> None:
    for drill in DRILLS.values():
        assert moment_of(drill, 7) == moment_of(drill, 7)


def test_seeds_choose_both_stages_and_different_times_within_the_hold() -> None:
    moments = [moment_of(DRILLS["oom-kill"], seed) for seed in range(50)]
    assert {moment.stage for moment in moments} == {2, 3}
    assert len({moment.delay_s for moment in moments}) > 40
    assert all(0 < moment.delay_s <= 4 for moment in moments)


def test_a_stage_is_steady_when_the_journal_says_so_of_that_stage() -> None:
    risen = [event("stage_started", number=2), event("stage_steady", number=1)]
    assert not is_steady(risen, 2)
    assert is_steady([*risen, event("stage_steady", number=2)], 2)
    assert not is_steady([], 2)


def test_the_ramp_is_over_when_its_phase_ended_and_not_when_the_smoke_after_a_fix_did() -> None:
    assert not has_ended([event("phase_started"), event("phase_ended", phase="smoke")])
    assert has_ended([event("phase_ended")])


def test_what_was_injected_is_read_again_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "FOLDER", tmp_path / "drills")
    assert read_note(RUN) is None
    change = Change(service="auth", before={"prisma_pool_size": 10}, after={"prisma_pool_size": 1})
    written = Note(rows=("prisma-pool",), stage=2, delay_s=0.5, injected_at=datetime.now(UTC), changes=(change,))
    write_note(RUN, written)
    assert read_note(RUN) == written


def test_what_was_injected_is_kept_outside_of_the_runs_and_for_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not notes.FOLDER.is_relative_to(layout.RUNS)
    monkeypatch.setattr(notes, "FOLDER", tmp_path / "drills")
    write_note(RUN, Note(rows=(), stage=2, delay_s=0.5, injected_at=datetime.now(UTC)))
    (file,) = (tmp_path / "drills").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
