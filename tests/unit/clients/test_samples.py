"""Exact quantiles over raw k6 samples."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from blocks.models.errors import NoData
from tasks.clients.samples import Samples

# k6's --out csv, as version 1.1 writes it.
_HEADER = (
    "metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,method,name,proto,"
    "scenario,service,status,subproto,tls_version,url,extra_tags,metadata"
)
_T0 = 1795421400


def _line(metric: str, second: int, value: float, scenario: str, *, ok: str = "true", status: int = 200) -> str:  # noqa: PLR0913 - columns of k6
    return f"{metric},{_T0 + second},{value:.6f},,,,{ok},,GET,n,HTTP/1.1,{scenario},,{status},,,u,instance=segment-01,"


def _file(path: Path, lines: list[str]) -> Path:
    with gzip.open(path, "wt") as file:
        file.write("\n".join([_HEADER, *lines]) + "\n")
    return path


def _at(second: int) -> datetime:
    return datetime.fromtimestamp(_T0 + second, UTC)


def test_quantiles_equal_numpys_over_all_files(tmp_path: Path) -> None:
    values = [((index * 7919) % 1000) / 3 for index in range(200)]
    files = [
        _file(tmp_path / f"{part}.csv.gz", [_line("http_req_duration", 5, v, "bet") for v in values[part::2]])
        for part in range(2)
    ]
    (numbers,) = Samples(files).numbers(_at(0), _at(10))
    assert (numbers.name, numbers.requests, numbers.error_rate) == ("bet", 200, 0.0)
    seen = (numbers.p50_ms, numbers.p90_ms, numbers.p95_ms, numbers.p99_ms, numbers.max_ms)
    assert seen == pytest.approx([*np.quantile(values, [0.5, 0.9, 0.95, 0.99]), max(values)], abs=1e-3)


def test_only_samples_of_the_window_count_and_its_end_is_not_in_it(tmp_path: Path) -> None:
    lines = [_line("http_req_duration", second, 10.0 * second, "signin") for second in range(10)]
    (numbers,) = Samples([_file(tmp_path / "a.csv.gz", lines)]).numbers(_at(3), _at(6))
    assert (numbers.requests, numbers.max_ms) == (3, 50.0)


def test_errors_are_those_k6_did_not_expect(tmp_path: Path) -> None:
    lines = [_line("http_req_duration", 1, 5, "bet", ok=ok) for ok in ("true", "true", "true", "false")]
    (numbers,) = Samples([_file(tmp_path / "a.csv.gz", lines)]).numbers(_at(0), _at(9))
    assert numbers.error_rate == 0.25


def test_ws_is_told_by_its_handshakes(tmp_path: Path) -> None:
    lines = [
        _line("ws_connecting", 1, 8.0, "ws", status=101),
        _line("ws_connecting", 1, 90.0, "ws", status=503),
        _line("http_req_duration", 1, 999.0, "ws"),
        _line("http_req_waiting", 1, 999.0, "bet"),
    ]
    (numbers,) = Samples([_file(tmp_path / "a.csv.gz", lines)]).numbers(_at(0), _at(9))
    assert (numbers.name, numbers.requests, numbers.error_rate, numbers.max_ms) == ("ws", 2, 0.5, 90.0)


def test_a_window_without_samples_has_no_numbers(tmp_path: Path) -> None:
    samples = Samples([_file(tmp_path / "a.csv.gz", [_line("http_req_duration", 1, 5, "bet")])])
    assert samples.numbers(_at(100), _at(200)) == ()


def test_no_files_and_no_readable_file_are_no_data(tmp_path: Path) -> None:
    with pytest.raises(NoData, match="no raw k6 samples"):
        Samples([])
    with pytest.raises(NoData, match="cannot be read"):
        Samples([tmp_path / "missing.csv.gz"])
