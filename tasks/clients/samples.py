"""Exact numbers from k6's raw samples: its compressed CSV is made into Parquet once, DuckDB counts and sorts."""

from __future__ import annotations

import csv
import os
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import RawIOBase
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import duckdb

from blocks.models.errors import Failed, NoData
from blocks.models.record import CheckNumbers, EndpointNumbers

# Two cores are the smallest worker; what is counted and sorted does not depend on how many there are.
_THREADS = 2
# DuckDB moves to the disk what is more; with the rest of a worker's process it stays below 2 GB.
_MEMORY = "1GB"
_CHUNK, _STEP = 2**20, 2**18
# Unix seconds stay below this until the year 5138, milliseconds are above it since 1973.
_MILLISECONDS_FROM = 100_000_000_000
# k6's columns that are kept, and how they are read; the others repeat the script: name, URL, tags.
_TYPES = {
    "metric_name": "VARCHAR", "timestamp": "BIGINT", "metric_value": "DOUBLE", "scenario": "VARCHAR",
    "expected_response": "BOOLEAN", "status": "SMALLINT", "error_code": "SMALLINT", "check": "VARCHAR",
}  # fmt: skip
_COUNTED = ("http_req_duration", "ws_connecting", "checks")
_CONVERT = f"""
copy (
    select case when "timestamp" < {_MILLISECONDS_FROM} then "timestamp" * 1000 else "timestamp" end as time_ms,
           metric_name as metric, metric_value as value, scenario, expected_response as expected, status, error_code, "check"
    from read_csv(?, auto_detect=false, header=false, delim=',', quote='"', escape='"', nullstr='',
                  ignore_errors=true, columns=?)
    where "timestamp" is not null and metric_value is not null
    -- What is counted stands together: parts of the file without it are not read.
    order by case metric {" ".join(f"when '{name}' then {place}" for place, name in enumerate(_COUNTED))} else {len(_COUNTED)} end, time_ms
) to '{{target}}' (format parquet, compression zstd)
"""  # noqa: S608 - a constant and a path of ours

_NUMBERS = """
select number, name, count(*), count(*) filter (where failed), quantile_cont(value, [0.5, 0.9, 0.95, 0.99]), max(value)
from (
    select {number} as number, scenario as name, value, not coalesce(expected, true) as failed
    from samples where metric = 'http_req_duration' and scenario <> 'ws'
    union all
    -- A handshake without an answer has no status.
    select {number}, scenario, value, status is distinct from 101
    from samples where metric = 'ws_connecting' and scenario = 'ws'
) where number is not null
group by number, name order by number, name
"""
_CHECKS = """
select number, name, count(*) filter (where value <> 0), count(*) filter (where value = 0)
from (select {number} as number, "check" as name, value from samples where metric = 'checks' and "check" is not null)
where number is not null
group by number, name order by number, name
"""
Window = tuple[datetime, datetime]
"""From when, and until when: the end is not in it."""


@dataclass(frozen=True)
class Converted:
    """What became of a file of raw samples."""

    rows: int
    unreadable: int
    """Lines that are no samples."""
    last: datetime | None
    """The time of the last sample."""
    problem: str = ""
    """Why the file ends early; empty when it is whole."""
    damaged: bool = False
    """Whether what stands before the problem may be wrong too: a checksum comes last."""


def convert(source: Path, target: Path) -> Converted:
    """Make Parquet of k6's CSV, gzipped; a file that was cut off or damaged gives what is before the break.

    Args:
        source: ``samples.csv.gz``.
        target: the Parquet file: time_ms, metric, value, scenario, expected, status, error_code, check.

    Raises:
        NoData: there is nothing in it that k6 wrote.
        Failed: the Parquet cannot be written.
    """
    # Beside the target: /tmp may be memory, and what is sorted may be larger.
    with source.open("rb") as file, TemporaryDirectory(prefix=".samples-", dir=target.parent) as folder:
        unzipped = _Unzipped(file)
        header = next(csv.reader([unzipped.header()]), [])
        missing = [name for name in _TYPES if name not in header]
        if missing:
            raise NoData(
                f"{source.parent.name}/{source.name} holds no samples of k6: {unzipped.problem or 'no column ' + missing[0]}."
            )
        pipe = Path(folder) / "samples.csv"
        os.mkfifo(pipe)
        feeding = threading.Thread(target=unzipped.feed, args=(pipe,))
        feeding.start()
        part = target.with_name(target.name + ".part")
        try:
            rows = _write_parquet(pipe, header, part, folder)
        finally:
            # Whoever waits to open the pipe for writing is let go.
            with suppress(OSError):
                os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))
            feeding.join()
        part.replace(target)
    with _database(None) as database:
        newest = database.execute("select max(time_ms) from read_parquet(?)", [str(target)]).fetchone()
    last = datetime.fromtimestamp(newest[0] / 1000, UTC) if newest and newest[0] is not None else None
    return Converted(rows, unzipped.lines - rows, last, unzipped.problem, damaged=unzipped.damaged)


class Samples:
    """The raw samples of a run, as Parquet, one file a k6 process.

    Args:
        files: what `convert` made.

    Raises:
        NoData: there is no file, or one of them cannot be read.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        if not files:
            raise NoData("There are no raw k6 samples; the numbers of the stages are Prometheus' estimates only.")
        self._database = _database(None)
        # A view takes no parameters.
        names = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
        try:
            self._database.execute(f"create view samples as select * from read_parquet([{names}])")  # noqa: S608 - paths of ours
        except duckdb.Error as error:
            raise NoData(f"The raw k6 samples cannot be read: {_first_line(error)}") from error

    def numbers(self, windows: Sequence[Window]) -> tuple[tuple[EndpointNumbers, ...], ...]:
        """Return for each window the exact numbers of every endpoint; for ws, of its handshakes."""
        found: list[list[EndpointNumbers]] = [[] for _ in windows]
        for number, name, count, errors, quantiles, largest in self._rows(_NUMBERS, windows):
            p50_ms, p90_ms, p95_ms, p99_ms = (round(value, 3) for value in quantiles)
            found[number].append(
                EndpointNumbers(
                    name=name, requests=count, errors=errors, error_rate=round(errors / count, 6), p50_ms=p50_ms,
                    p90_ms=p90_ms, p95_ms=p95_ms, p99_ms=p99_ms, max_ms=round(largest, 3),
                )
            )  # fmt: skip
        return tuple(tuple(numbers) for numbers in found)

    def checks(self, windows: Sequence[Window]) -> tuple[tuple[CheckNumbers, ...], ...]:
        """Return for each window how often each check of the script passed and failed."""
        found: list[list[CheckNumbers]] = [[] for _ in windows]
        for number, name, passes, fails in self._rows(_CHECKS, windows):
            found[number].append(CheckNumbers(name=name, passes=passes, fails=fails))
        return tuple(tuple(checks) for checks in found)

    def _rows(self, query: str, windows: Sequence[Window]) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        try:
            for apart in _apart(windows):
                cases = [f"when time_ms >= {start} and time_ms < {end} then {number}" for start, end, number in apart]
                numbered = f"case {' '.join(cases)} end"
                found += self._database.execute(query.format(number=numbered)).fetchall()
        except duckdb.Error as error:
            raise NoData(f"The raw k6 samples cannot be read: {_first_line(error)}") from error
        return found


def _apart(windows: Sequence[Window]) -> list[list[tuple[int, int, int]]]:
    """Split windows into groups in which none overlaps another: (from ms, until ms, number). Usually it is one group."""
    groups: list[list[tuple[int, int, int]]] = []
    for start, end, number in sorted((_ms(start), _ms(end), number) for number, (start, end) in enumerate(windows)):
        free = next((group for group in groups if group[-1][1] <= start), None)
        if free is None:
            groups.append(free := [])
        free.append((start, end, number))
    return groups


class _Unzipped:
    """A gzipped CSV, read once, forward; its good part ends at the first byte that cannot be unpacked."""

    def __init__(self, file: BinaryIO) -> None:
        self.lines = 0
        self.problem = ""
        self.damaged = False
        self._chunks = self._unpack(file)
        self._rest = b""

    def header(self) -> str:
        """Return the first line."""
        for chunk in self._chunks:
            self._rest += chunk
            line, end, rest = self._rest.partition(b"\n")
            if end:
                self._rest = rest
                return line.decode(errors="replace").rstrip("\r")
        return ""

    def feed(self, pipe: Path) -> None:
        """Write whole lines into a pipe until the file ends, breaks off, or nobody reads any more."""
        with suppress(BrokenPipeError), pipe.open("wb", buffering=0) as out:
            for chunk in chain((b"",), self._chunks):
                # Half a line waits for its other half, or is left out when the file ends before it.
                whole, end, self._rest = (self._rest + chunk).rpartition(b"\n")
                if end:
                    self.lines += whole.count(b"\n") + 1
                    _write_all(out, whole + end)

    def _unpack(self, file: BinaryIO) -> Iterator[bytes]:
        member = zlib.decompressobj(wbits=31)
        try:
            while packed := file.read(_CHUNK):
                while packed:
                    # Small steps: one that meets the damage returns nothing.
                    yield member.decompress(packed, _STEP)
                    packed = member.unconsumed_tail
                    if member.unused_data:
                        packed = member.unused_data
                        member = zlib.decompressobj(wbits=31)
            yield member.flush()
        except zlib.error as error:
            self.problem, self.damaged = f"it is damaged ({error}); what stands before that is counted", True
            return
        if not member.eof:
            self.problem = "it was cut off; what stands before that is counted"


def _write_all(out: RawIOBase, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[out.write(view) or 0 :]


def _write_parquet(pipe: Path, header: list[str], target: Path, folder: str) -> int:
    with _database(folder) as database:
        columns = {name or f"column{number}": _TYPES.get(name, "VARCHAR") for number, name in enumerate(header)}
        try:
            copied = database.execute(_CONVERT.format(target=str(target).replace("'", "''")), [str(pipe), columns])
            row = copied.fetchone()
        except duckdb.Error as error:
            target.unlink(missing_ok=True)
            raise Failed(f"{target.name} could not be written: {_first_line(error)}") from error
    return int(row[0]) if row else 0


def _database(folder: str | None) -> duckdb.DuckDBPyConnection:
    settings: dict[str, str | bool | int | float | list[str]] = {"threads": _THREADS, "memory_limit": _MEMORY}
    if folder:
        settings["temp_directory"] = folder
    database = duckdb.connect(config=settings)
    # It would be drawn on standard output for what takes longer than two seconds.
    database.execute("set enable_progress_bar = false")
    return database


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200]


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
