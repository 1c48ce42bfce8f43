"""One drill on a running stack: the run through its deployment, the injector beside it, and the judgement at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from uuid import UUID

from deployments.rehearsal import layout
from deployments.rehearsal.drills.blocks import save_blocks
from deployments.rehearsal.drills.faults import Drill
from deployments.rehearsal.drills.note import read_note
from deployments.rehearsal.drills.responder import Responder
from deployments.rehearsal.drills.sut import AdminPorts
from deployments.rehearsal.drills.verdict import DrillResult, judge_drill
from deployments.rehearsal.operator import Operator
from deployments.rehearsal.processes import end, start
from deployments.rehearsal.stack import Stack
from tasks.clients.journal import Journal

Say = Callable[[str], None]


def exercise(stack: Stack, drill: Drill, seed: int, say: Say) -> DrillResult:
    """Run a drill to its end and write drill.json beside the run's record.json.

    An interrupt cancels the run, as in a rehearsal, and is raised again.

    Raises:
        RampartError: the run could not be followed.
    """
    operator = Operator(stack.prefect_url, say, by_hand=False, on_triage=Responder(AdminPorts(stack.ports)).answer)
    run_id = operator.start(**save_blocks(drill))
    injector = [
        start(
            "injector",
            [sys.executable, "-m", "deployments.rehearsal.drills.injector", drill.name, str(seed), str(run_id)],
            stack.environment(),
        )
    ]
    try:
        operator.follow(run_id)
    except KeyboardInterrupt:
        operator.cancel(run_id)
        raise
    finally:
        end(injector)
    result = _judge(drill, seed, run_id)
    say(f"report    {layout.RUNS / str(run_id) / 'report.html'}")
    say(f"drill     {result.verdict}: {result.reason}")
    return result


def _judge(drill: Drill, seed: int, run_id: UUID) -> DrillResult:
    folder = layout.RUNS / str(run_id)
    events, _ = Journal(folder / "journal.jsonl").read()
    file = folder / "record.json"
    record = json.loads(file.read_text()) if file.exists() else {}
    result = judge_drill(drill, seed, str(run_id), read_note(run_id), events, record)
    folder.mkdir(exist_ok=True)
    (folder / "drill.json").write_text(result.model_dump_json(indent=2) + "\n")
    return result
