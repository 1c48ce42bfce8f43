"""A ramp cut into segments, run by the real k6: the load is the script's, to the virtual user."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from tasks.rules.segments import cut_into_segments, literal_options, renumber, segment_options, throttle
from tasks.rules.stages import scale_load

from .conftest import Site
from .material import Script, ramping, write_script

pytestmark = pytest.mark.integration

_MIX = """
export function signin() { visit('signin'); }
export function bet() { visit('bet'); }
export function ws() { visit('ws'); }
"""


def _mix(tmp_path: Path, k6: Path, site: Site) -> Script:
    """Three scenarios whose shares are not the same at every level."""
    scenarios = {
        "signin": ramping([6, 12, 24], exec="signin"),
        "bet": ramping([3, 7, 12], exec="bet"),
        "ws": ramping([3, 3, 8], exec="ws"),
    }
    return write_script(tmp_path, k6, site.url, {"scenarios": scenarios, "tags": {"project": "ebit"}}, _MIX)


def _users(site: Site, what: str) -> set[str]:
    return {seen["vu"] for seen in site.seen if seen["what"] == what}


@pytest.mark.parametrize("loadgens", [1, 2, 3])
def test_all_segments_together_are_the_script_and_no_id_is_used_twice(
    tmp_path: Path, k6: Path, site: Site, loadgens: int
) -> None:
    script = _mix(tmp_path, k6, site)
    plan = script.plan()
    segments = cut_into_segments(plan, loadgens)
    script.hold(plan, segments, 1.5)
    users = {what: _users(site, what) for what in ("signin", "bet", "ws")}
    assert {what: len(ids) for what, ids in users.items()} == {"signin": 24, "bet": 12, "ws": 8}
    assert len(set().union(*users.values())) == 44
    for segment in segments:
        mine = {
            (seen["what"], seen["vu"]) for seen in site.seen if json.loads(seen["tags"])["instance"] == segment.name
        }
        assert Counter(what for what, _ in mine) == segment.amounts


def test_a_cut_that_is_started_again_under_another_name_has_the_same_users(
    tmp_path: Path, k6: Path, site: Site
) -> None:
    script = _mix(tmp_path, k6, site)
    plan = script.plan()
    first = cut_into_segments(plan, 1)
    script.hold(plan, first, 1.0)
    before = {seen["vu"] for seen in site.seen}
    site.seen.clear()
    again = renumber(first, 4)
    script.hold(plan, again, 1.0)
    assert {seen["vu"] for seen in site.seen} == before
    assert {json.loads(seen["tags"])["instance"] for seen in site.seen} == {"segment-04", "segment-05", "segment-06"}


def test_a_throttled_scenario_keeps_its_part_and_the_others_theirs(tmp_path: Path, k6: Path, site: Site) -> None:
    script = _mix(tmp_path, k6, site)
    plan = throttle(script.plan(), "signin", 0.5, 2)
    script.hold(plan, cut_into_segments(plan, 2), 1.0)
    assert {what: len(_users(site, what)) for what in ("signin", "bet", "ws")} == {"signin": 12, "bet": 12, "ws": 8}


def test_a_staircase_of_constant_scenarios_starts_each_where_it_begins(tmp_path: Path, k6: Path, site: Site) -> None:
    steps = {
        name: {"executor": "constant-vus", "vus": vus, "startTime": start, "duration": length, "exec": "visitor"}
        for name, vus, start, length in (("one", 4, "0s", "30s"), ("two", 2, "10s", "20s"), ("three", 3, "20s", "10s"))
    }
    script = write_script(tmp_path, k6, site.url, {"scenarios": steps}, "export function visitor() { visit('visit'); }")
    plan = script.plan()
    assert [(level.amounts, level.rise_s, level.hold_s) for level in plan.levels] == [
        ({"one": 4, "two": 0, "three": 0}, 0, 10),
        ({"one": 4, "two": 2, "three": 0}, 0, 10),
        ({"one": 4, "two": 2, "three": 3}, 0, 10),
    ]
    script.hold(plan, cut_into_segments(plan, 2), 1.0)
    assert len(_users(site, "visit")) == 9
    assert {name: len({seen["vu"] for seen in site.seen if seen["scenario"] == name}) for name in steps} == {
        "one": 4, "two": 2, "three": 3,
    }  # fmt: skip


def test_arrival_rates_below_one_a_second_arrive(tmp_path: Path, k6: Path, site: Site) -> None:
    scenario = {
        "executor": "ramping-arrival-rate", "startRate": 0, "timeUnit": "1m", "preAllocatedVUs": 6, "exec": "visitor",
        "stages": [{"duration": duration, "target": target} for target in (60, 180) for duration in ("0s", "10s")],
    }  # fmt: skip
    script = write_script(
        tmp_path, k6, site.url, {"scenarios": {"a": scenario}}, "export function visitor() { ask('visit'); }"
    )
    plan = scale_load(script.plan(), load=0.5, time=1.0)
    segments = cut_into_segments(plan, 2)
    assert [round(segment.amounts["a"], 3) for segment in segments] == [0.25, 0.25, 0.5, 0.5]
    script.hold(plan, segments, 8.0)
    # 1.5 a second over 8 s; k6 may leave out the last one.
    assert 11 <= len(site.seen) <= 12


def test_the_script_as_it_is_rises_holds_and_falls_by_itself(tmp_path: Path, k6: Path, site: Site) -> None:
    scenario = ramping([2, 6], rise="1s", hold="1s", exec="visitor", gracefulRampDown="3s")
    scenario["stages"].append({"duration": "1s", "target": 0})
    limits = {"http_reqs": [{"threshold": "count<1", "abortOnFail": True}]}
    script = write_script(
        tmp_path, k6, site.url, {"scenarios": {"a": scenario}, "thresholds": limits},
        "export function visitor() { visit('visit'); }",
    )  # fmt: skip
    plan = script.plan()
    options = literal_options(plan, {"run_id": "r1"})
    assert options["scenarios"]["a"]["stages"] == [
        {"duration": duration, "target": target}
        for duration, target in (("1s", 2), ("1s", 2), ("1s", 6), ("1s", 6), ("1s", 0))
    ]
    assert options["scenarios"]["a"]["gracefulRampDown"] == "3s"
    whole = cut_into_segments(plan, 1)[0].model_copy(update={"amounts": {}, "targets": {}})
    del options["thresholds"]["http_reqs"]
    script.run({whole.name: options}, [whole])
    assert len(_users(site, "visit")) == 6


def test_scenario_options_tags_and_thresholds_stay_the_scripts(tmp_path: Path, k6: Path, site: Site) -> None:
    scenarios = {"a": ramping([1, 2], exec="visitor", tags={"of": "a"}, env={"BYPASS_KEY": "from the scenario"})}
    limits = {"http_reqs{of:a}": ["count>0"], "checks": [{"threshold": "rate>0.5", "abortOnFail": True}]}
    script = write_script(
        tmp_path, k6, site.url, {"scenarios": scenarios, "thresholds": limits, "tags": {"project": "ebit"}},
        "export function visitor() { visit('visit'); }",
    )  # fmt: skip
    plan = script.plan()
    folders = script.hold(plan, cut_into_segments(plan, 1), 1.0)
    assert {seen["of"] for seen in site.seen} == {"a"}
    assert {seen["key"] for seen in site.seen} == {"from the scenario"}
    tags = [json.loads(seen["tags"]) for seen in site.seen]
    assert all((tag["project"], tag["run_id"]) == ("ebit", "r1") for tag in tags)
    summary = json.loads((folders[0] / "summary.json").read_text())
    assert summary["metrics"]["http_reqs{of:a}"]["thresholds"] == {"count>0": False}
    with (folders[1] / "samples.csv").open() as file:
        extra = {row["extra_tags"] for row in csv.DictReader(file) if row["metric_name"] == "http_reqs"}
    assert all("instance=segment-02" in tag and "project=ebit" in tag and "run_id=r1" in tag for tag in extra)


def test_a_script_that_chose_its_system_tags_is_measured_all_the_same(tmp_path: Path, k6: Path, site: Site) -> None:
    options = {"scenarios": {"a": ramping([1, 2], exec="visitor")}, "systemTags": ["url"]}
    script = write_script(tmp_path, k6, site.url, options, "export function visitor() { visit('visit'); }")
    plan = script.plan()
    folders = script.hold(plan, cut_into_segments(plan, 1), 1.0)
    with (folders[0] / "samples.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["metric_name"] == "http_reqs"]
    assert {(row["scenario"], row["expected_response"], row["status"]) for row in rows} == {("a", "true", "200")}
    assert all(row["url"].startswith(site.url) for row in rows)
    # What neither the script nor Rampart wants is not written.
    assert {"error_code", "check"} <= set(rows[0])
    assert "tls_version" not in rows[0]


@pytest.mark.parametrize(
    "default",
    [
        "export default function () { visit('default'); }",
        "function main() { visit('default'); }\nexport { main as default };",
    ],
)
def test_a_script_with_stages_and_a_default_function_alone_runs(
    tmp_path: Path, k6: Path, site: Site, default: str
) -> None:
    stages = [{"duration": "1s", "target": target} for target in (2, 2, 4, 4)]
    script = write_script(tmp_path, k6, site.url, {"stages": stages, "vus": 0}, default)
    plan = script.plan()
    assert [level.amounts for level in plan.levels] == [{"default": 2}, {"default": 4}]
    script.hold(plan, cut_into_segments(plan, 2), 1.0)
    assert len(_users(site, "default")) == 4


def test_setup_teardown_and_summary_of_the_script_run_once_in_each_process(
    tmp_path: Path, k6: Path, site: Site
) -> None:
    script = write_script(
        tmp_path, k6, site.url, {"scenarios": {"a": ramping([2, 4], exec="visitor")}, "setupTimeout": "7s"},
        """
import http from 'k6/http';
export function setup() { http.get(`${__ENV.API_URL}/?what=setup&vu=0&scenario=`); return { given: 'by setup' }; }
export function visitor(data) { visit(data.given); }
export function teardown(data) { http.get(`${__ENV.API_URL}/?what=teardown&vu=0&scenario=`); }
export function handleSummary(data) { return { 'own.txt': `users ${data.metrics.vus_max.values.max}` }; }
""",
    )  # fmt: skip
    plan = script.plan()
    assert plan.other["setupTimeout"] == "7s"
    segments = cut_into_segments(plan, 1)
    folders = script.hold(plan, segments, 1.0)
    what = Counter(seen["what"] for seen in site.seen)
    assert (what["setup"], what["teardown"]) == (2, 2)
    assert set(what) == {"setup", "by setup", "teardown"}
    assert [(folder / "own.txt").read_text() for folder in folders] == ["users 2", "users 2"]
    assert all((folder / "summary.json").exists() for folder in folders)


def test_an_uneven_split_is_exact_too(tmp_path: Path, k6: Path, site: Site) -> None:
    scenarios = {"a": ramping([7, 31], exec="visitor"), "b": ramping([5, 13], exec="visitor")}
    script = write_script(
        tmp_path, k6, site.url, {"scenarios": scenarios}, "export function visitor() { visit('visit'); }"
    )
    plan = script.plan()
    segments = cut_into_segments(plan, 3)
    by_loadgen = Counter[int]()
    for segment in segments:
        by_loadgen[segment.loadgen] += round(sum(segment.amounts.values()))
    assert sorted(by_loadgen.values()) == [14, 15, 15]
    script.run({segment.name: segment_options(plan, segment, 1.0, {"run_id": "r1"}) for segment in segments}, segments)
    assert {name: len({seen["vu"] for seen in site.seen if seen["scenario"] == name}) for name in scenarios} == {
        "a": 31, "b": 13,
    }  # fmt: skip
    assert len(_users(site, "visit")) == 44
