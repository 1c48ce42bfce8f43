"""What there is of evidence is saved before the teardown, whoever does not answer."""

from __future__ import annotations

import json

import pytest

from blocks.load_profile import LoadProfile
from blocks.models.settings import SshAccess
from flows.teardown import end_run
from tasks.lease import take
from tasks.run import Run

pytestmark = pytest.mark.integration


def test_a_load_generator_that_is_away_does_not_keep_the_other_evidence_from_being_collected(run: Run) -> None:
    # Nothing listens on port 1: the connection is refused at once.
    run.environment.model_copy(update={"ssh": SshAccess(port=1)}).save(run.environment_name)
    LoadProfile().save("test", overwrite=True)
    (run.folder / "outputs.json").write_text(json.dumps({"loadgen_public_ip": "127.0.0.1"}))
    assert take(run, None, 10) is not None
    end_run(run)
    events = run.journal.read()[0]
    note = next(event.data["text"] for event in events if event.phase == "collect" and event.kind == "note")
    assert note.startswith("The load could not be confirmed to be off: ")
    order = [(event.phase, event.kind) for event in events if event.kind in {"phase_started", "phase_ended"}]
    assert order[:3] == [("collect", "phase_started"), ("collect", "phase_ended"), ("teardown", "phase_started")]
