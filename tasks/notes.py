"""The operator's notes at a stage's transition: p95, errors, handshakes, CPU, memory, queues."""

from __future__ import annotations

from datetime import datetime

from prefect import task

from tasks.clients.sut import ContainerStats
from tasks.metrics import read_live_numbers, read_queues, read_ratio
from tasks.run import Run

NOTED = {"live": "its live numbers", "sut": "what its containers used"}
"""What is noted of a stage, by its name in the record's ``not_captured``, in words."""

# A rate over less than this holds too few of k6's pushes.
_SHORTEST_WINDOW_S = 10.0


@task
def note_stage(run: Run, number: int, start: datetime, end: datetime, stats: tuple[ContainerStats, ...]) -> None:
    """Journal a stage's live numbers over its steady part, and what the containers used at its end.

    Without stats what an earlier note says of the containers stands: once the load is off they show nothing of it.
    """
    window_s = max(_SHORTEST_WINDOW_S, (end - start).total_seconds())
    handshakes = read_ratio(run, "ws_handshake_success", end, window_s)
    used = [
        {"container": item.name, "cpu_percent": item.cpu_percent, "memory_bytes": item.memory_bytes} for item in stats
    ]
    run.journal.append(
        "ramp", "stage_numbers", number=number,
        endpoints=[item.model_dump(exclude_none=True) for item in read_live_numbers(run, end, window_s)],
        ws_handshake_success=handshakes, live_ws_handshake_success=handshakes,
        queues=read_queues(run, end),
        **({"sut": used} if used else {}),
    )  # fmt: skip
