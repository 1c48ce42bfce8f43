"""The operator's notes at a stage's transition: p95, errors, handshakes, CPU, memory, queues."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from prefect import task

from tasks.metrics import read_live_numbers, read_queues, read_ratio
from tasks.run import Run
from tasks.sut import read_stats


@task
def note_stage(run: Run, number: int, start: datetime, end: datetime) -> None:
    """Journal a stage's live numbers over its steady part."""
    window_s = max(10.0, (end - start).total_seconds())
    with ThreadPoolExecutor(2) as pool:
        # docker stats takes a second or two; the queries go on beside it.
        stats = pool.submit(read_stats.fn, run)
        endpoints = read_live_numbers.fn(run, end, window_s)
        handshakes = read_ratio.fn(run, "ws_handshake_success", end, window_s)
        queues = read_queues.fn(run, end)
        containers = stats.result()
    run.journal.append(
        "ramp", "stage_numbers", number=number,
        endpoints=[item.model_dump(exclude_none=True) for item in endpoints],
        ws_handshake_success=handshakes,
        queues=queues,
        sut=[
            {"container": item.name, "cpu_percent": item.cpu_percent, "memory_bytes": item.memory_bytes} for item in containers
        ],
    )  # fmt: skip
