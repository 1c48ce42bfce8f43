"""The history of runs in Parquet, and what is measured for it."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest

from blocks.models.errors import NoData
from tasks.clients.history import History, measure
from tasks.clients.samples import Samples, convert
from tasks.rules.comparison import BIN_WIDTH, Measured, PastRun, Window, compare

T0 = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)
_HEADER = "metric_name,timestamp,metric_value,expected_response,scenario,status,error_code,check"


def _line(metric: str, second: float, value: float, scenario: str, *, ok: str = "true", status: int = 200) -> str:  # noqa: PLR0913 - columns of k6
    return f"{metric},{int(T0.timestamp() + second)},{value:.6f},{ok},{scenario},{status},,"


def _csv(results: Path, name: str, lines: list[str]) -> Path:
    file = results / "loadgen-0" / name / "samples.csv.gz"
    file.parent.mkdir(parents=True)
    with gzip.open(file, "wt") as out:
        out.write("\n".join([_HEADER, *lines]) + "\n")
    return file


def _lines(median: float, seconds: int = 20) -> list[str]:
    draws = np.random.default_rng(7)
    return [
        _line("http_req_duration", second, value, "bet", ok="false" if value > 2 * median else "true")
        for second in range(seconds)
        for value in median * np.exp(draws.normal(0, 0.4, 10))
    ]


def _window(where: str = "stage 1", position: int = 1, seconds: int = 20) -> Window:
    return Window(where=where, position=position, load=10.0, stable=True, start=T0, end=T0 + timedelta(seconds=seconds))


def _run(run_id: str = "run-1", hours: float = 0.0) -> PastRun:
    return PastRun(
        run_id=run_id, started=T0 + timedelta(hours=hours), verdict="PASS", ceiling=3, settings={"environment": "perf"}
    )


def test_numbers_are_the_reports_and_counts_hold_every_request(tmp_path: Path) -> None:
    file = _csv(tmp_path, "segment-01", _lines(50.0))
    (item,) = measure(tmp_path, [_window()])
    convert(file, tmp_path / "exact.parquet")
    ((exact,),) = Samples([tmp_path / "exact.parquet"]).numbers([(T0, T0 + timedelta(seconds=20))])
    assert (item.endpoint, item.requests, item.error_rate) == (exact.name, exact.requests, exact.error_rate)
    assert (item.p50_ms, item.p95_ms, item.p99_ms) == (exact.p50_ms, exact.p95_ms, exact.p99_ms)
    assert sum(count for _, _, count in item.counts) == 200
    assert [second for second, _, _ in item.counts] == sorted(second for second, _, _ in item.counts)
    p95_bin = np.log(exact.p95_ms or 0) / np.log(BIN_WIDTH)
    assert sum(count for _, column, count in item.counts if column > p95_bin) == pytest.approx(10, abs=2)


def test_for_ws_a_request_is_a_handshake_and_one_without_101_failed(tmp_path: Path) -> None:
    lines = [
        _line("ws_connecting", 1, 5, "ws", status=101),
        _line("ws_connecting", 2, 7, "ws", status=0),
        _line("http_req_duration", 1, 900, "ws"),
        _line("http_reqs", 1, 1, "bet"),
    ]
    _csv(tmp_path, "smoke", lines)
    (item,) = measure(tmp_path, [_window("smoke", 0)])
    assert (item.endpoint, item.requests, item.error_rate, item.p50_ms) == ("ws", 2, 0.5, 6.0)


def test_parquet_beside_the_csv_goes_before_it_and_both_kinds_are_added(tmp_path: Path) -> None:
    replaced = _csv(tmp_path, "segment-01", _lines(50.0))
    _csv(tmp_path, "segment-02", _lines(50.0))
    start_ms = int(T0.timestamp() * 1000)
    duckdb.execute(
        f"copy (select {start_ms} + range as time_ms, 'http_req_duration' as metric, 40.0 as value, 'bet' as scenario, "  # noqa: S608 - a test's own numbers
        "true as expected, 200::smallint as status, null::smallint as error_code, null::varchar as check from range(5)) "
        f"to '{replaced.with_name('samples.parquet')}'"
    )
    (item,) = measure(tmp_path, [_window()])
    assert item.requests == 200 + 5


def test_no_samples_are_no_data(tmp_path: Path) -> None:
    with pytest.raises(NoData, match="no raw k6 samples"):
        measure(tmp_path, [_window()])
    file = _csv(tmp_path, "segment-01", _lines(50.0))
    file.write_bytes(b"not gzip")
    with pytest.raises(NoData, match="cannot be read"):
        measure(tmp_path, [_window()])


def _measured(tmp_path: Path, median: float = 50.0) -> tuple[Measured, ...]:
    _csv(tmp_path / "results", "segment-01", _lines(median))
    return measure(tmp_path / "results", [_window()])


def test_what_is_kept_is_read_back_and_compares_as_the_samples_did(tmp_path: Path) -> None:
    history, measured = History(tmp_path / "history"), _measured(tmp_path)
    assert (history.runs(), history.numbers()) == ((), {})
    history.keep(_run(), measured)
    assert history.runs() == (_run(),)
    assert history.numbers("run-1", with_counts=True) == {"run-1": measured}
    assert history.numbers()["run-1"][0].counts == ()
    (row,) = compare(measured, history.numbers("run-1", with_counts=True)["run-1"], ("a", "b"))
    assert (row.verdict, row.ratio) == ("same", 1.0)


def test_runs_are_kept_beside_each_other_and_again_in_the_same_place(tmp_path: Path) -> None:
    history, measured = History(tmp_path / "history"), _measured(tmp_path)
    for run in (_run("later", 2), _run("earlier", 1), _run("later", 2)):
        history.keep(run, measured)
    assert [run.run_id for run in history.runs()] == ["earlier", "later"]
    assert list(history.numbers()) == ["earlier", "later"]
    assert not [file for file in history.folder.rglob("*") if file.suffix in {".part", ".jsonl"}]


def test_the_same_run_is_kept_as_the_same_bytes(tmp_path: Path) -> None:
    measured = _measured(tmp_path)
    for name in ("one", "two"):
        History(tmp_path / name).keep(_run(), measured)
    for file in sorted((tmp_path / "one").rglob("*.parquet")):
        assert file.read_bytes() == (tmp_path / "two" / file.relative_to(tmp_path / "one")).read_bytes()


def test_a_damaged_history_is_no_data_and_names_the_folder(tmp_path: Path) -> None:
    history = History(tmp_path)
    (tmp_path / "numbers").mkdir()
    (tmp_path / "numbers" / "run-1.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(NoData, match="numbers cannot be read"):
        history.runs()
