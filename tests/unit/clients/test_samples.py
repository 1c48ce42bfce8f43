"""Exact quantiles over raw k6 samples."""

from __future__ import annotations

import gzip
import resource
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from blocks.models.errors import Failed, NoData
from blocks.models.record import CheckNumbers, EndpointNumbers
from tasks.clients.samples import Converted, Samples, convert

# k6's --out csv, as version 1.1 writes it.
_HEADER = (
    "metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,method,name,proto,"
    "scenario,service,status,subproto,tls_version,url,extra_tags,metadata"
)
_T0 = 1795421400


def _line(metric: str, second: int, value: float, scenario: str, *, ok: str = "true", status: int | str = 200) -> str:  # noqa: PLR0913 - columns of k6
    return f"{metric},{_T0 + second},{value:.6f},,,,{ok},,GET,n,HTTP/1.1,{scenario},,{status},,,u,instance=segment-01,"


def _file(path: Path, lines: list[str]) -> Path:
    path.write_bytes(gzip.compress(("\n".join([_HEADER, *lines]) + "\n").encode()))
    return path


def _samples(folder: Path, *parts: list[str]) -> Samples:
    """Convert each part as the file of a k6 process and open them together."""
    files = []
    for number, lines in enumerate(parts):
        files.append(folder / f"{number}.parquet")
        converted = convert(_file(folder / f"{number}.csv.gz", lines), files[-1])
        assert (converted.rows, converted.unreadable, converted.problem) == (len(lines), 0, "")
    return Samples(files)


def _at(second: float) -> datetime:
    return datetime.fromtimestamp(_T0 + second, UTC)


def _numbers(samples: Samples, start: float, end: float) -> tuple[EndpointNumbers, ...]:
    return samples.numbers([(_at(start), _at(end))])[0]


def test_quantiles_equal_numpys_over_all_files(tmp_path: Path) -> None:
    values = [((index * 7919) % 1000) / 3 for index in range(200)]
    parts = [[_line("http_req_duration", 5, v, "bet") for v in values[part::2]] for part in range(2)]
    (numbers,) = _numbers(_samples(tmp_path, *parts), 0, 10)
    assert (numbers.name, numbers.requests, numbers.errors, numbers.error_rate) == ("bet", 200, 0, 0.0)
    seen = (numbers.p50_ms, numbers.p90_ms, numbers.p95_ms, numbers.p99_ms, numbers.max_ms)
    assert seen == pytest.approx([*np.quantile(values, [0.5, 0.9, 0.95, 0.99]), max(values)], abs=1e-3)


def test_only_samples_of_the_window_count_and_its_end_is_not_in_it(tmp_path: Path) -> None:
    samples = _samples(tmp_path, [_line("http_req_duration", second, 10.0 * second, "signin") for second in range(10)])
    (numbers,) = _numbers(samples, 3, 6)
    assert (numbers.requests, numbers.max_ms) == (3, 50.0)


def test_each_window_has_its_own_numbers_also_where_they_overlap(tmp_path: Path) -> None:
    samples = _samples(tmp_path, [_line("http_req_duration", second, 10.0 * second, "signin") for second in range(10)])
    found = samples.numbers([(_at(0), _at(3)), (_at(50), _at(60)), (_at(2), _at(10))])
    assert [[(item.requests, item.max_ms) for item in numbers] for numbers in found] == [[(3, 20.0)], [], [(8, 90.0)]]
    assert samples.numbers([]) == ()


def test_times_in_milliseconds_cut_within_a_second(tmp_path: Path) -> None:
    lines = [_line("http_req_duration", 3, 7.0, "bet").replace(str(_T0 + 3), f"{_T0 + 3}{part}") for part in (100, 900)]
    (numbers,) = _numbers(_samples(tmp_path, lines), 3.5, 4)
    assert numbers.requests == 1


def test_errors_are_those_k6_did_not_expect(tmp_path: Path) -> None:
    lines = [_line("http_req_duration", 1, 5, "bet", ok=ok) for ok in ("true", "true", "true", "false")]
    (numbers,) = _numbers(_samples(tmp_path, lines), 0, 9)
    assert (numbers.errors, numbers.error_rate) == (1, 0.25)


def test_ws_is_told_by_its_handshakes_and_one_that_was_refused_failed(tmp_path: Path) -> None:
    lines = [
        _line("ws_connecting", 1, 8.0, "ws", status=101),
        _line("ws_connecting", 1, 90.0, "ws", status=503),
        # As k6 writes it when nobody listens: no status at all.
        _line("ws_connecting", 1, 4.0, "ws", status="", ok=""),
        _line("http_req_duration", 1, 999.0, "ws"),
        _line("http_req_waiting", 1, 999.0, "bet"),
    ]
    (numbers,) = _numbers(_samples(tmp_path, lines), 0, 9)
    assert (numbers.name, numbers.requests, numbers.errors, numbers.max_ms) == ("ws", 3, 2, 90.0)


def test_checks_are_counted_with_their_names(tmp_path: Path) -> None:
    def line(second: int, value: int, name: str) -> str:
        return f'checks,{_T0 + second},{value},"{name}",,,,,,,,bet,,,,,,,'

    samples = _samples(tmp_path, [line(1, 1, "bet: 201, at once"), line(2, 0, "bet: 201, at once"), line(9, 1, "late")])
    assert samples.checks([(_at(0), _at(5))]) == ((CheckNumbers(name="bet: 201, at once", passes=1, fails=1),),)


def test_a_window_without_samples_has_no_numbers(tmp_path: Path) -> None:
    assert _numbers(_samples(tmp_path, [_line("http_req_duration", 1, 5, "bet")]), 100, 200) == ()


def test_no_files_and_no_readable_file_are_no_data(tmp_path: Path) -> None:
    with pytest.raises(NoData, match="no raw k6 samples"):
        Samples([])
    with pytest.raises(NoData, match="cannot be read"):
        Samples([tmp_path / "missing.parquet"])


def _many(path: Path) -> Path:
    # Values that do not compress well: the file is several blocks long, and breaks in the middle of one.
    return _file(path, [_line("http_req_duration", i // 100, (i * 7919) % 9973 / 7, "bet") for i in range(20_000)])


def _broken(path: Path, change: Callable[[bytes], bytes]) -> Converted:
    whole = _many(path).read_bytes()
    path.write_bytes(change(whole))
    return convert(path, path.with_suffix(".parquet"))


def test_a_file_that_was_cut_off_gives_what_is_there_and_says_until_when(tmp_path: Path) -> None:
    converted = _broken(tmp_path / "a.csv.gz", lambda data: data[: len(data) // 2])
    assert "cut off" in converted.problem
    assert not converted.damaged
    assert 8_000 < converted.rows < 12_000
    assert converted.last == _at((converted.rows - 1) // 100)


def test_a_damaged_file_gives_what_is_before_the_damage(tmp_path: Path) -> None:
    converted = _broken(
        tmp_path / "a.csv.gz", lambda data: data[: len(data) // 2] + b"\xff" * 64 + data[len(data) // 2 + 64 :]
    )
    assert "damaged" in converted.problem
    assert converted.damaged
    assert 5_000 < converted.rows < 20_000


def test_lines_that_are_no_samples_are_counted_and_left_out(tmp_path: Path) -> None:
    lines = [
        _line("http_req_duration", 1, 5, "bet"),
        "garbage",
        _line("http_req_duration", 1, 6, "bet"),
        "a,b,c" + "," * 16,
    ]
    converted = convert(_file(tmp_path / "a.csv.gz", lines), tmp_path / "a.parquet")
    assert (converted.rows, converted.unreadable, converted.problem) == (2, 2, "")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"no gzip at all", id="no gzip"),
        pytest.param(gzip.compress(b"one,two\n1,2\n"), id="other columns"),
        pytest.param(gzip.compress(b"x")[:6], id="cut off"),
    ],
)
def test_what_k6_did_not_write_is_no_data_and_leaves_no_file(content: bytes, tmp_path: Path) -> None:
    source = tmp_path / "samples.csv.gz"
    source.write_bytes(content)
    with pytest.raises(NoData, match="holds no samples of k6"):
        convert(source, tmp_path / "samples.parquet")
    assert list(tmp_path.iterdir()) == [source]


def test_a_full_disk_is_a_sentence_and_leaves_no_file(tmp_path: Path) -> None:
    source = _many(tmp_path / "samples.csv.gz")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(Failed, match=r"samples\.parquet\.part could not be written: "):
            convert(source, tmp_path / "samples.parquet")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == [source]
