"""How long the report of ten stages takes to render, and how large its page is."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median

from tasks.report import render_run
from tests.bench.results import append
from tests.unit.report.runs import journal, write

WITHIN_S, AT_MOST_BYTES = 3.0, 8_000_000


def test_ten_stages_with_pictures_are_rendered_within_three_seconds_into_at_most_eight_megabytes(
    tmp_path: Path,
) -> None:
    folder = write(tmp_path / "run", journal(), pictures=range(1, 11))
    took = []
    for _ in range(5):
        began = time.perf_counter()
        page = render_run(folder)
        took.append(time.perf_counter() - began)
    size = page.stat().st_size
    append("report", seconds=round(median(took), 3), bytes=size)
    sys.stdout.write(
        f"\nreport of ten stages: median {median(took):.2f} s of 5 ({min(took):.2f} to {max(took):.2f}), {size / 1e6:.1f} MB\n"
    )
    assert median(took) <= WITHIN_S
    assert size <= AT_MOST_BYTES
