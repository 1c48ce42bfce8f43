"""Folders of runs as a run leaves them, with numbers that look like a real ramp's."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from blocks.models.checklist import CHECKLIST
from blocks.models.event import Event, Kind
from blocks.models.rules import DEFAULT_GUARD_RULES
from tasks.rules.series import WANTED, written

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
RUN_ID = "5d1c24c9-7a42-4c38-a6a5-0a2ce6a1c0de"
ENDPOINTS = {"signin": 62.0, "bet": 41.0, "history": 24.0, "ws": 9.0}
CONTAINERS = ("ebit-api-1", "ebit-auth-1", "ebit-bet-1", "ebit-fe-1", "ebit-rt-1", "ebit-worker-1")
RAMP_AT_S, STAGE_S = 600, 252


def event(phase: str, kind: Kind, second: float, **data: Any) -> Event:
    return Event(at=START + timedelta(seconds=second), mono_s=100.0 + second, pid=1, phase=phase, kind=kind, data=data)


def at(second: float) -> str:
    return (START + timedelta(seconds=second)).isoformat()


def check(id_: str, second: float, verdict: str = "PASS", detail: str = "as wanted", **more: Any) -> Event:
    phase = id_.partition(".")[0]
    return event(
        phase, "check", second, id=id_, verdict=verdict, detail=detail, started=at(second - 2), seconds=2.0, **more
    )


def checks(phase: str, second: float, failing: str = "") -> list[Event]:
    return [
        check(item.id, second + index, "FAIL" if item.id == failing else "PASS")
        for index, item in enumerate(CHECKLIST)
        if item.phase == phase
    ]


def journal(stages: int = 10, *, breached: bool = False) -> list[Event]:
    """The whole journal of a run of the real plan's length, with or without a breach at its last stage."""
    end = RAMP_AT_S + stages * STAGE_S
    lines = [
        event("preflight", "run_opened", 0, run_id=RUN_ID, environment="perf", profile="stepped-ramp", left_out=[], options={}),
        event("preflight", "phase_started", 1),
        *(event("preflight", "version", 20, name=name, version=version) for name, version in (
            ("Terraform", "v1.11.4"), ("k6", "k6 v1.1.0 (linux/arm64)"), ("Node", "v24.19.0"), ("Prometheus", "2.53.1"),
        )),
        event("preflight", "fact", 21, region="eu-north-1", sut_instance_type="c7g.4xlarge", instance_types="c7g.2xlarge"),
        *checks("preflight", 30),
        event("preflight", "phase_ended", 60, state="COMPLETED"),
        event("provision", "phase_started", 61),
        event("provision", "decision", 90, asked="Apply the plan: 58 resources in eu-north-1?", answer="go", by="Ada", waited_seconds=21.0),
        *checks("provision", 300),
        event("provision", "fact", 330, loadgens=2, users=10000, resources=58, image_tag="2026-11-21"),
        event("provision", "phase_ended", 400, state="COMPLETED"),
        event("smoke", "phase_started", 401),
        event("smoke", "smoke", 470, started=at(405), ended=at(470), exit_code=0, numbers={
            "sign in p95": "51 ms", "bet p95": "112 ms", "history p95": "24 ms", "ws handshake p95": "8 ms",
            "error rate": "0.00%", "peak vus": "50",
        }),
        *checks("smoke", 480),
        event("smoke", "phase_ended", 500, state="COMPLETED"),
        event("ramp", "phase_started", 501),
        event("ramp", "links", 510, **{"Jaeger search": "http://jaeger.example:16686/search?service=api", "Grafana dashboard": "http://grafana.example/d/ebit-perf-test"}),
        check("ramp.tabs", 520),
        event("ramp", "limits", 589, rules=[rule.model_dump(exclude={"expected"}) for rule in DEFAULT_GUARD_RULES]),
        check("ramp.launch", 590),
        event("ramp", "decision", 595, asked="Start the ramp at stage 1?", answer="go", by="Ada", waited_seconds=60.0),
    ]  # fmt: skip
    for number in range(1, stages + 1):
        lines += _stage(number, breached=breached and number == stages)
    if breached:
        lines += [
            event("ramp", "ceiling", end + 41, stage=stages - 1, vus=(stages - 1) * 1000, reason="sign-in p95 crossed its limit at the stage above"),
            check("ramp.abort", end + 42, "FAIL", "the guard stopped the load: sign-in p95"),
            check("ramp.gate", end + 43),
        ]  # fmt: skip
    else:
        lines += [
            event("ramp", "ceiling", end + 41, stage=stages, vus=stages * 1000, reason="the highest stage of the script was stable"),
            check("ramp.abort", end + 42), check("ramp.gate", end + 43),
        ]  # fmt: skip
    lines += [
        event("ramp", "phase_ended", end + 50, state="FAILED" if breached else "COMPLETED"),
        event("collect", "phase_started", end + 51),
        check("collect.results", end + 60),
        *(_series_line(name, text, end + 62) for name, text in _series(stages).items()),
        *(event("collect", "stage_numbers", end + 63, number=number, **_exact(number)) for number in range(1, stages + 1 - breached)),
        check("ramp.stage_notes", end + 64), check("ramp.stage_evidence", end + 65), check("collect.snapshots", end + 66),
        check("collect.traces", end + 67), check("ramp.recording", end + 68),
        event("collect", "phase_ended", end + 70, state="COMPLETED"),
        event("teardown", "phase_started", end + 71),
        *checks("teardown", end + 200),
        event("teardown", "teardown", end + 240, verdict="PASS", destroyed=58, leftover=[], ecr_deleted=["ebit-api-auth"], seconds=169.0),
        event("teardown", "phase_ended", end + 241, state="COMPLETED"),
        event("report", "phase_started", end + 242),
        check("report.filled", end + 243),
        event("report", "cost", end + 243, estimated_usd=1.52, basis="list prices"),
        check("report.cost", end + 243, "PENDING", "asked after a day"),
        event("report", "run_closed", end + 244),
        event("report", "phase_ended", end + 245, state="COMPLETED"),
    ]  # fmt: skip
    return lines


def write(folder: Path, events: Iterable[Event], stages: int = 10, *, pictures: Sequence[int] = ()) -> Path:
    """Write a run's folder: journal, series, traces, and full-size pictures of some stages."""
    evidence = folder / "evidence"
    (evidence / "series").mkdir(parents=True, exist_ok=True)
    (evidence / "traces").mkdir(exist_ok=True)
    (evidence / "screenshots").mkdir(exist_ok=True)
    lines = [json.dumps(event.model_dump(mode="json"), sort_keys=True) for event in events]
    (folder / "journal.jsonl").write_text("".join(f"{line}\n" for line in lines))
    for name, text in _series(stages).items():
        (evidence / "series" / f"{name}.json").write_text(text)
    for number in range(1, stages + 1):
        (evidence / "traces" / f"stage-{number:02d}.json").write_text("{}")
    for number in pictures:
        _picture(number).save(evidence / "screenshots" / f"stage-{number:02d}.png")
    return folder


def _stage(number: int, *, breached: bool) -> list[Event]:
    begin = RAMP_AT_S + (number - 1) * STAGE_S
    lines = [
        event("ramp", "stage_started", begin, number=number, vus=number * 1000, rate=None),
        event("ramp", "segment_started", begin, index=number, loadgen=f"10.0.0.{1 + number % 2}", share=0.1),
        event("ramp", "stage_steady", begin + 60, number=number),
    ]
    live = [{"name": name, "error_rate": 0.001, "live_p95_ms": p95} for name, p95 in _p95(number).items()]
    if breached:
        rows = [
            {"row": "prisma-pool", "matched": True, "score": 2.4, "verdict": "matched", "cause": "the connection pool is exhausted",
             "evidence": "p95 of prisma:client:connection in auth is 212 ms", "limit": "50 ms", "onset": at(begin + 120)},
            {"row": "http-429", "matched": False, "score": 0.1, "verdict": "not matched", "evidence": "0 % of answers are 429", "limit": "1 %"},
            {"row": "oom-kill", "matched": False, "score": 0.5, "verdict": "inconclusive", "evidence": "dmesg needs root", "limit": "none"},
        ]  # fmt: skip
        return [
            *lines,
            event("ramp", "breach", begin + 150, rule="sign-in p95", observed="612 ms", limit="> 500 ms", stage=number, detected=at(begin + 149)),
            event("ramp", "load_stopped", begin + 152, stopped=at(begin + 150.4)),
            event("ramp", "triage", begin + 156, rows=rows, suggestion={}),
            event("ramp", "stage_numbers", begin + 157, number=number, endpoints=live, queues={"settlement": 4.0}),
            event("ramp", "decision", begin + 190, asked=f"Stage {number} was stopped.", answer="halt", by="Ada", waited_seconds=33.0),
        ]  # fmt: skip
    sut = [
        {"container": name, "cpu_percent": 12.0 + 7 * number + 3 * index, "memory_bytes": 200_000_000 + 3_000_000 * number}
        for index, name in enumerate(CONTAINERS)
    ]  # fmt: skip
    return [
        *lines,
        event("ramp", "stage_judged", begin + 181, number=number, verdict="PASS", reason="7 series flat over 120 s", steady_to=at(begin + 180)),
        event("ramp", "stage_numbers", begin + 183, number=number, endpoints=live, queues={"settlement": 4.0}, sut=sut),
        event("ramp", "decision", begin + 240, asked=f"Release stage {number}?", answer="go", by="Ada", waited_seconds=55.0),
        event("ramp", "stage_ended", begin + 241, number=number),
    ]  # fmt: skip


def _p95(number: int) -> dict[str, float]:
    return {name: round(base * (1 + 0.02 * number**2), 3) for name, base in ENDPOINTS.items()}


def _exact(number: int) -> dict[str, Any]:
    endpoints = [
        {"name": name, "requests": 4000 * number, "error_rate": 0.0004 * number, "p50_ms": p95 / 3, "p90_ms": p95 * 0.8,
         "p95_ms": p95, "p99_ms": p95 * 1.6, "max_ms": p95 * 4}
        for name, p95 in _p95(number).items()
    ]  # fmt: skip
    trace = {
        "id": f"{number:032x}", "why": f"slowest: POST /api/auth/signin {200 + number} ms", "verified": True,
        "file": f"evidence/traces/stage-{number:02d}.json",
    }  # fmt: skip
    return {
        "endpoints": endpoints, "ws_handshake_success": 0.9975, "trace_ids": [trace],
        "screenshot": f"evidence/screenshots/stage-{number:02d}.png", "summary": f"evidence/summaries/stage-{number:02d}.json",
        "snapshot": f"http://grafana.example/dashboard/snapshot/{number:032x}",
    }  # fmt: skip


def _series(stages: int) -> dict[str, str]:
    """Lines of the whole ramp at 5 s, the same each time."""
    chance = random.Random(7)
    count = stages * STAGE_S // 5 + 10
    level = [min(stages, 1 + index * 5 // STAGE_S) for index in range(count)]

    def wavy(base: float, growth: float) -> list[float | None]:
        return [round(base * (1 + growth * n**2) * chance.uniform(0.9, 1.12), 3) for n in level]

    found: dict[str, dict[str, list[float | None]]] = {
        "vus": {"vus": [float(min(n * 1000, (n - 1) * 1000 + (index * 5 % STAGE_S) * 17)) for index, n in enumerate(level)]},
        "p95": {name: wavy(base, 0.02) for name, base in ENDPOINTS.items()},
        "error_rate": {"error_rate": [round(max(0.0, chance.gauss(0.001, 0.001)), 5) for _ in level]},
        "ws_success": {"ws_success": [round(1 - abs(chance.gauss(0.0, 0.004)), 4) for _ in level]},
        "request_rate": {name: wavy(120.0, 0.05) for name in ("signin", "bet", "history")},
        "cpu": {name: [round(0.08 + 0.07 * n + 0.02 * index + chance.uniform(0, 0.03), 4) for n in level] for index, name in enumerate(CONTAINERS)},
        "memory": {name: wavy(2e8 + 2e7 * index, 0.004) for index, name in enumerate(CONTAINERS)},
        "queues": {name: [float(round(abs(2 * math.sin(i / 9)) * n)) for i, n in enumerate(level)] for name in ("settlement", "payouts")},
    }  # fmt: skip
    return {
        wanted.name: written(wanted, START + timedelta(seconds=RAMP_AT_S), 5.0, ["query"], found[wanted.name])
        for wanted in WANTED
    }


def _series_line(name: str, text: str, second: float) -> Event:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return event("collect", "series", second, name=name, file=f"evidence/series/{name}.json", sha256=digest)


def _picture(number: int) -> Image.Image:
    """Return a dashboard's picture at its real size: panels with lines."""
    chance = random.Random(number)
    image = Image.new("RGB", (1600, 2400), (17, 18, 23))
    draw = ImageDraw.Draw(image)
    for top in range(20, 2400, 300):
        for left in range(20, 1600, 530):
            draw.rectangle((left, top, left + 510, top + 280), fill=(24, 27, 31), outline=(50, 54, 60))
            draw.text((left + 12, top + 8), f"panel {top + left}, stage {number}", fill=(210, 214, 220))
            for colour in ((115, 191, 105), (242, 204, 12), (87, 148, 242)):
                points = [(left + 10 + x, top + 260 - chance.uniform(5, 200)) for x in range(0, 490, 4)]
                draw.line(points, fill=colour, width=2)
    return image
