"""Exact numbers from k6's raw samples, with DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import duckdb

from blocks.models.errors import NoData
from blocks.models.record import EndpointNumbers

_NUMBERS = """
select scenario, count(*),
       count(*) filter (where failed) * 1.0 / count(*),
       quantile_cont(duration, [0.5, 0.9, 0.95, 0.99]), max(duration)
from (
    select scenario, metric_value as duration, expected_response = 'false' as failed, "timestamp" as seen_s
    from samples where metric_name = 'http_req_duration' and scenario <> 'ws'
    union all
    select scenario, metric_value, status <> '101', "timestamp"
    from samples where metric_name = 'ws_connecting' and scenario = 'ws'
)
where seen_s >= ? and seen_s < ?
group by scenario order by scenario
"""


class Samples:
    """The raw samples of a run: k6's CSV output, gzipped, one file a k6 process.

    Args:
        files: the CSV files.

    Raises:
        NoData: there is no file, or none of them can be read.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        if not files:
            raise NoData("There are no raw k6 samples; the numbers of the stages are Prometheus' estimates only.")
        # One thread: sums in one order give the same bytes each time a record is made again.
        self._database = duckdb.connect(config={"threads": 1})
        try:
            self._database.execute(
                'create table samples as select metric_name, cast("timestamp" as double) as "timestamp", '
                "metric_value, scenario, expected_response, status from read_csv(?, union_by_name=true, "
                "ignore_errors=true, types={'metric_value': 'DOUBLE', 'status': 'VARCHAR', "
                "'expected_response': 'VARCHAR', 'scenario': 'VARCHAR'})",
                [[str(file) for file in files]],
            )
        except duckdb.Error as error:
            raise NoData(f"The raw k6 samples cannot be read: {str(error)[:200]}") from error

    def numbers(self, start: datetime, end: datetime) -> tuple[EndpointNumbers, ...]:
        """Return the exact numbers of every endpoint between two times; for ws, of its handshakes."""
        rows = self._database.execute(_NUMBERS, [start.timestamp(), end.timestamp()]).fetchall()
        return tuple(
            EndpointNumbers(
                name=name,
                requests=count,
                error_rate=round(errors, 6),
                p50_ms=round(quantiles[0], 3),
                p90_ms=round(quantiles[1], 3),
                p95_ms=round(quantiles[2], 3),
                p99_ms=round(quantiles[3], 3),
                max_ms=round(largest, 3),
            )
            for name, count, errors, quantiles, largest in rows
        )
