"""The history of runs: Parquet files that DuckDB reads, two a run, in a folder beside the runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from blocks.models.errors import NoData
from tasks.rules.comparison import BIN_WIDTH, Measured, PastRun, Window

# One line a request of an endpoint, whatever the file: for ws, its handshakes.
_REQUESTS = """
select scenario, time_s, value, case when scenario = 'ws' then status is distinct from 101 else not expected end as failed
from samples where metric = case when scenario = 'ws' then 'ws_connecting' else 'http_req_duration' end
"""
_PARQUET = "select time_ms / 1000.0 as time_s, metric, value, scenario, expected, status from read_parquet(?)"
# k6 writes seconds, or milliseconds when it is told to.
_CSV = """
select case when seen > 1e11 then seen / 1000 else seen end as time_s, metric_name as metric, metric_value as value, scenario,
       expected_response = 'true' as expected, try_cast(status as smallint) as status
from (select *, cast("timestamp" as double) as seen from read_csv(?, union_by_name=true, ignore_errors=true,
      types={'metric_value': 'DOUBLE', 'status': 'VARCHAR', 'expected_response': 'VARCHAR', 'scenario': 'VARCHAR'}))
"""
_NUMBERS = """
select scenario, count(*), count(*) filter (where failed) * 1.0 / count(*), quantile_cont(value, [0.5, 0.95, 0.99])
from requests where time_s >= ? and time_s < ? group by scenario order by scenario
"""
_COUNTS = f"""
select scenario, cast(floor(time_s - ?) as integer) as second,
       cast(floor(ln(greatest(value, 0.001)) / ln({BIN_WIDTH})) as integer) as bin, count(*)
from requests where time_s >= ? and time_s < ? group by all order by all
"""  # noqa: S608 - a constant of ours


class History:
    """What is kept of every run.

    Args:
        folder: where; made when something is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, run: PastRun, numbers: Sequence[Measured]) -> None:
        """Keep a run; one that is kept already is replaced."""
        told = [
            (run.run_id, run.started, run.verdict, run.ceiling, json.dumps(run.settings, sort_keys=True), *_flat(item))
            for item in numbers
        ]
        self._write(run.run_id, "numbers", _NUMBER_COLUMNS, told)
        counted = [
            (item.window.where, item.endpoint, second, column, requests)
            for item in numbers
            for second, column, requests in item.counts
        ]
        self._write(run.run_id, "counts", _COUNT_COLUMNS, counted)

    def runs(self) -> tuple[PastRun, ...]:
        """Return every run that is kept, the oldest first."""
        rows = self._read("numbers", "*", "select distinct run_id, started, verdict, ceiling, settings from kept")
        found = [
            PastRun(
                run_id=run_id, started=started.replace(tzinfo=UTC), verdict=verdict, ceiling=ceiling,
                settings=json.loads(settings),
            )
            for run_id, started, verdict, ceiling, settings in rows
        ]  # fmt: skip
        return tuple(sorted(found, key=lambda run: (run.started, run.run_id)))

    def numbers(self, run_id: str = "*", *, with_counts: bool = False) -> dict[str, tuple[Measured, ...]]:
        """Return what was measured: run id -> numbers in the order of the run.

        Args:
            run_id: a run, or all.
            with_counts: whether the counts are read too; only of one run.
        """
        columns = ", ".join(name for name, _ in _NUMBER_COLUMNS[5:])
        rows = self._read(
            "numbers", run_id, f"select run_id, {columns} from kept order by started, run_id, position, endpoint"  # noqa: S608 - names of ours
        )  # fmt: skip
        counts: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
        if with_counts:
            for where, endpoint, *count in self._read("counts", run_id, "select * from kept order by all"):
                counts.setdefault((where, endpoint), []).append((count[0], count[1], count[2]))
        found: dict[str, list[Measured]] = {}
        for kept_id, where, position, load, stable, start, end, endpoint, *measured in rows:
            window = Window(
                where=where, position=position, load=load, stable=stable, start=start.replace(tzinfo=UTC),
                end=end.replace(tzinfo=UTC),
            )  # fmt: skip
            names = ("requests", "error_rate", "p50_ms", "p95_ms", "p99_ms")
            found.setdefault(kept_id, []).append(
                Measured(
                    window=window, endpoint=endpoint, counts=tuple(counts.get((where, endpoint), ())),
                    **dict(zip(names, measured, strict=True)),
                )
            )  # fmt: skip
        return {kept_id: tuple(items) for kept_id, items in found.items()}

    def _write(
        self, run_id: str, what: str, columns: Sequence[tuple[str, str]], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        file = self.folder / what / f"{run_id}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        kept = {
            name: np.array([_plain(row[index]) for row in rows], dtype=object)
            for index, (name, _) in enumerate(columns)
        }
        typed = ", ".join(f"cast({name} as {kind}) as {name}" for name, kind in columns)
        try:
            with _database() as database:
                database.register("kept", kept)
                database.view("kept").project(typed).write_parquet(str(part), compression="zstd")
        except duckdb.Error as error:
            raise NoData(f"The history {file} could not be written: {str(error)[:200]}") from error
        part.replace(file)

    def _read(self, what: str, run_id: str, query: str) -> list[tuple[Any, ...]]:
        files = sorted((self.folder / what).glob(f"{run_id}.parquet"))
        if not files:
            return []
        try:
            with _database() as database:
                kept = database.read_parquet([str(file) for file in files], union_by_name=True)
                answer = kept.query("kept", query)
                return [] if answer is None else answer.fetchall()
        except duckdb.Error as error:
            raise NoData(f"The history in {self.folder / what} cannot be read: {str(error)[:200]}") from error


def measure(results: Path, windows: Iterable[Window]) -> tuple[Measured, ...]:
    """Measure parts of a run from k6's raw samples.

    Args:
        results: the evidence's folder of results: `loadgen-N/<k6 process>/samples.parquet`, or `.csv.gz`.
        windows: the parts.

    Raises:
        NoData: there are no samples, or they cannot be read.
    """
    folders = sorted({file.parent for file in results.glob("loadgen-*/*/samples.*")})
    parquet = [str(folder / "samples.parquet") for folder in folders if (folder / "samples.parquet").exists()]
    csv = [str(folder / "samples.csv.gz") for folder in folders if not (folder / "samples.parquet").exists()]
    sources = [(query, files) for query, files in ((_PARQUET, parquet), (_CSV, csv)) if files]
    if not sources:
        raise NoData("There are no raw k6 samples of this run: it is not compared and not kept in the history.")
    try:
        with _database() as database:
            database.execute(
                f"create table requests as with samples as ({' union all by name '.join(query for query, _ in sources)}) {_REQUESTS}",
                [files for _, files in sources],
            )
            return tuple(item for window in windows for item in _measure(database, window))
    except duckdb.Error as error:
        raise NoData(f"The raw k6 samples cannot be read: {str(error)[:200]}") from error


def _measure(database: duckdb.DuckDBPyConnection, window: Window) -> Iterable[Measured]:
    start, end = window.start.timestamp(), window.end.timestamp()
    counts: dict[str, list[tuple[int, int, int]]] = {}
    for endpoint, second, column, requests in database.execute(_COUNTS, [start, start, end]).fetchall():
        counts.setdefault(endpoint, []).append((second, column, requests))
    for endpoint, requests, errors, (p50, p95, p99) in database.execute(_NUMBERS, [start, end]).fetchall():
        yield Measured(
            window=window, endpoint=endpoint, requests=requests, error_rate=round(errors, 6), p50_ms=round(p50, 3),
            p95_ms=round(p95, 3), p99_ms=round(p99, 3), counts=tuple(counts[endpoint]),
        )  # fmt: skip


_NUMBER_COLUMNS = (
    ("run_id", "VARCHAR"), ("started", "TIMESTAMP"), ("verdict", "VARCHAR"), ("ceiling", "INTEGER"), ("settings", "VARCHAR"),
    ("part", "VARCHAR"), ("position", "INTEGER"), ("load", "DOUBLE"), ("stable", "BOOLEAN"), ("from_time", "TIMESTAMP"),
    ("to_time", "TIMESTAMP"), ("endpoint", "VARCHAR"), ("requests", "BIGINT"), ("error_rate", "DOUBLE"), ("p50_ms", "DOUBLE"),
    ("p95_ms", "DOUBLE"), ("p99_ms", "DOUBLE"),
)  # fmt: skip
_COUNT_COLUMNS = (
    ("part", "VARCHAR"), ("endpoint", "VARCHAR"), ("second", "INTEGER"), ("bin", "INTEGER"), ("requests", "BIGINT"),
)  # fmt: skip


def _flat(item: Measured) -> tuple[Any, ...]:
    window = item.window
    return (
        window.where, window.position, window.load, window.stable, window.start, window.end, item.endpoint, item.requests,
        item.error_rate, item.p50_ms, item.p95_ms, item.p99_ms,
    )  # fmt: skip


def _plain(value: object) -> object:
    # Times are UTC in the files, without saying so: so every reader of Parquet takes them.
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() if isinstance(value, datetime) else value


def _database() -> duckdb.DuckDBPyConnection:
    # One thread: sums in one order give the same bytes each time.
    return duckdb.connect(config={"threads": 1})
