"""Five million raw samples of k6 become the scorecard of ten stages: at most 2 s on two cores, five times pandas' speed.

Measured is what is done each time a scorecard is made: reading the Parquet that `convert` made when the samples were fetched.
pandas reads the columns it needs of the same file in the same run; printed beside that is how it does when it leaves the choice of rows
to pyarrow. The conversion, done once a file, is measured too, and the memory of a conversion and a scorecard of thirty million samples.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.clients.samples import Samples, Window, convert

from . import results

_ROWS = 5_000_000
_STAGES, _STAGE_S, _RISE_S = 10, 252, 60
_T0_MS = 1_795_421_400_000
_TIMES = 5
_COPIES = 6
_HEADER = (
    "metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,method,name,proto,"
    "scenario,service,status,subproto,tls_version,url,extra_tags,metadata\n"
)
# What k6 writes for one HTTP request and for one handshake, and with each iteration.
_HTTP = (
    "http_reqs", "http_req_duration", "http_req_blocked", "http_req_connecting", "http_req_tls_handshaking",
    "http_req_sending", "http_req_waiting", "http_req_receiving", "http_req_failed",
)  # fmt: skip
_WS = ("ws_sessions", "ws_connecting", "ws_session_duration", "ws_msgs_sent", "ws_msgs_received")
_ITERATION = ("iteration_duration", "iterations", "data_sent", "data_received")
_MEMORY = """
import resource, sys
from pathlib import Path
from tests.bench.test_samples import scorecard
from tasks.clients.samples import convert
raw = Path(sys.argv[1])
rows = convert(raw, raw.with_suffix(".parquet")).rows
scorecard(raw.with_suffix(".parquet"))
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def _raw(path: Path, rows: int) -> Path:
    """Write what k6 writes: the rows of requests, checks and iterations in the order of time."""
    random = np.random.default_rng(7)
    tags = "instance=segment-01&run_id=00000000-0000-0000-0000-000000000000"
    # A request makes 14 rows, a handshake 10.
    requests = rows // 13
    times = _T0_MS + np.sort(random.integers(0, _STAGES * _STAGE_S * 1000, requests))
    values = random.lognormal(3, 0.5, requests)
    names = random.choice(["signin", "bet", "history", "ws"], requests, p=[0.4, 0.3, 0.2, 0.1])
    failed = random.random(requests) < 0.003
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.write(_HEADER)
        for at, value, name, bad in zip(times, values, names, failed, strict=True):
            metrics, good, ok = (_WS, 101, "") if name == "ws" else (_HTTP, 200, "false" if bad else "true")
            url, status = f"http://10.0.0.1:4000/api/{name}", 503 if bad else good
            file.writelines(
                f"{metric},{at},{value:.6f},,,,{ok},,POST,{url},HTTP/1.1,{name},,{status},,,{url},endpoint={name}&{tags},\n"
                for metric in metrics
            )
            file.write(f"checks,{at},{int(not bad)}.000000,{name}: good,,,,,,,,{name},,,,,,endpoint={name}&{tags},\n")
            file.writelines(f"{metric},{at},{value:.6f},,,,,,,,,{name},,,,,,{tags},\n" for metric in _ITERATION)
    return path


def _windows() -> list[Window]:
    zero = datetime.fromtimestamp(_T0_MS / 1000, UTC)
    starts = [zero + timedelta(seconds=_STAGE_S * number) for number in range(_STAGES)]
    rises = [(start, start + timedelta(seconds=_RISE_S)) for start in starts]
    return rises + [(rise, start + timedelta(seconds=_STAGE_S)) for start, (_, rise) in zip(starts, rises, strict=True)]


def scorecard(file: Path) -> object:
    """Make what the record holds: numbers of rises and steady parts, and checks."""
    samples, windows = Samples([file]), _windows()
    return samples.numbers(windows), samples.checks(windows[_STAGES:])


def _with_pandas(file: Path, *, rows_by_pyarrow: bool = False) -> pd.DataFrame:
    wanted = [("metric", "in", ["http_req_duration", "ws_connecting", "checks"])]
    frame = pd.read_parquet(
        file, columns=["time_ms", "metric", "value", "scenario", "expected", "status", "check"],
        filters=wanted if rows_by_pyarrow else None,
    )  # fmt: skip
    edges = sorted({int(at.timestamp() * 1000) for window in _windows() for at in window})
    frame["window"] = pd.cut(frame["time_ms"], edges, right=False, labels=False)
    checks = frame[frame["metric"] == "checks"]
    checks.groupby(["window", "check"])["value"].agg(["sum", "count"])
    ws = (frame["metric"] == "ws_connecting") & (frame["scenario"] == "ws")
    seen = frame[ws | ((frame["metric"] == "http_req_duration") & (frame["scenario"] != "ws"))]
    seen = seen.assign(failed=np.where(seen["scenario"] == "ws", seen["status"] != 101, seen["expected"] == False))  # noqa: E712 - null is not False
    groups = seen.groupby(["window", "scenario"])
    quantiles = groups["value"].quantile([0.5, 0.9, 0.95, 0.99]).unstack()  # noqa: PD010 - one level, no table
    counted: pd.DataFrame = groups.agg(requests=("value", "size"), failed=("failed", "sum"), max=("value", "max"))
    return counted.join(quantiles)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@pytest.mark.timeout(1800)
def test_samples(tmp_path: Path) -> None:
    raw, file = _raw(tmp_path / "samples.csv.gz", _ROWS), tmp_path / "samples.parquet"
    began = time.perf_counter()
    converted = convert(raw, file)
    convert_s = time.perf_counter() - began
    assert converted.rows >= _ROWS
    _same_numbers(file)
    # In turns, so that whatever else the machine does meets both.
    turns = [
        (
            _seconds(lambda: scorecard(file)),
            _seconds(lambda: _with_pandas(file)),
            _seconds(lambda: _with_pandas(file, rows_by_pyarrow=True)),
        )
        for _ in range(_TIMES)
    ]
    ours = results.quantile([turn[0] for turn in turns], 0.5)
    ratio = results.quantile([plain / duckdb for duckdb, plain, _ in turns], 0.5)
    chosen = results.quantile([pyarrow / duckdb for duckdb, _, pyarrow in turns], 0.5)
    many = tmp_path / "many.csv.gz"
    with many.open("wb") as out:
        for _ in range(_COPIES):
            out.write(raw.read_bytes())
    said = subprocess.run([sys.executable, "-c", _MEMORY, str(many)], capture_output=True, text=True, check=True).stdout
    rows, memory = (int(field) for field in said.split())
    results.append(
        "samples", rows=converted.rows, convert_s=round(convert_s, 2), scorecard_s=round(ours, 3), pandas_ratio=round(ratio, 1),
        pyarrow_ratio=round(chosen, 1),
        rows_for_memory=rows, memory_bytes=memory,
    )  # fmt: skip
    sys.stdout.write(
        f"\n{converted.rows} samples: scorecard {ours:.2f} s, {ratio:.1f} times as fast as pandas on the same Parquet, "
        f"{chosen:.1f} when pyarrow chooses the rows; made once: "
        f"Parquet of the csv.gz {convert_s:.1f} s; {rows} samples converted and counted within {memory / 2**20:.0f} MiB\n"
    )
    assert ours <= 2.0
    assert ratio >= 5.0
    assert memory < 2 * 10**9


def _same_numbers(file: Path) -> None:
    """See that both compute the same before their speed is compared."""
    theirs = _with_pandas(file)
    found = Samples([file]).numbers(sorted(_windows()))
    for window, numbers in enumerate(found):
        for item in numbers:
            row = theirs.loc[(window, item.name)]
            assert (item.requests, item.errors) == (row["requests"], row["failed"])
            assert [item.p50_ms, item.p90_ms, item.p95_ms, item.p99_ms] == pytest.approx(
                [row[0.5], row[0.9], row[0.95], row[0.99]], abs=1e-3
            )
