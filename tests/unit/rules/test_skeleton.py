"""The team's own report, filled field by field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.models.record import Record
from blocks.models.verdict import Verdict
from tasks.rules.record import fold
from tasks.rules.skeleton import TBD, fill_skeleton, has_fields

from .journals import all_passed, breach, check, event, opened

_SKELETON = (
    Path(__file__).parents[3] / "deployments" / "rehearsal" / "checkout" / "docs" / "performance-test-report.md"
).read_text()


def _record(*, stages: int = 3) -> Record:
    endpoints = [
        {"name": name, "requests": 100, "error_rate": 0.01, "p95_ms": p95, "p50_ms": 20.0}
        for name, p95 in (("signin", 123.4), ("bet", 88.0), ("history", 45.0), ("ws", 12.0))
    ]
    lines = [opened(), *all_passed(), event("fact", region="eu-north-1"), event("run_closed", 3600)]
    for number in range(1, stages + 1):
        lines += [
            event("stage_started", number * 10, number=number, vus=number * 1000),
            event("stage_judged", number * 10 + 5, number=number, verdict="PASS", reason="flat"),
            event(
                "stage_numbers", number * 10 + 6, number=number, endpoints=endpoints, ws_handshake_success=0.9975,
                sut=[{"container": "api", "cpu_percent": 61.0, "memory_bytes": 2**28}],
            ),
        ]  # fmt: skip
    return fold([*lines, event("ceiling", 100, stage=stages, vus=stages * 1000, reason="the top was reached")])


def _row(text: str, label: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {label} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("record", [_record(), _record(stages=0), fold([opened()]), fold([opened(), breach()])])
def test_every_field_of_the_teams_report_is_filled_or_listed(record: Record) -> None:
    filled, unmatched = fill_skeleton(_SKELETON, record)
    assert filled.count(TBD) == len(unmatched)
    assert unmatched == ()
    assert "None" not in filled


def test_everything_but_the_fields_stays_as_it_was() -> None:
    filled, _ = fill_skeleton(_SKELETON, _record())
    before, after = _SKELETON.splitlines(), filled.splitlines()
    assert len(before) == len(after)
    assert all(new == old for old, new in zip(before, after, strict=True) if "{{" not in old)


def test_a_stages_row_holds_the_stages_numbers() -> None:
    filled, _ = fill_skeleton(_SKELETON, _record())
    assert _row(filled, "2") == [
        "2", "2000", "123 ms", "88 ms", "45 ms", "12 ms", "1.00%", "99.75%", "61 %", "256 MiB", "PASS",
    ]  # fmt: skip


def test_a_stage_that_was_not_reached_says_so_in_every_cell() -> None:
    filled, _ = fill_skeleton(_SKELETON, _record())
    assert set(_row(filled, "10")[1:]) == {"not captured: stage 10 was not reached"}


def test_a_number_that_was_not_captured_says_so() -> None:
    record = fold([opened(), event("stage_started", 10, number=1, vus=1000)])
    filled, unmatched = fill_skeleton(_SKELETON, record)
    assert unmatched == ()
    assert all("not captured" in cell for cell in _row(filled, "1")[2:])


def test_the_summary_is_read_from_the_record() -> None:
    filled, _ = fill_skeleton(_SKELETON, _record())
    assert _row(filled, "Date")[1] == "2026-11-23"
    assert _row(filled, "Run")[1] == "run-1"
    assert _row(filled, "Verdict")[1] == "PASS"
    assert _row(filled, "Ceiling (stage, VUs)")[1] == "stage 3, 3,000 VUs"
    assert _row(filled, "Reason for the ceiling")[1] == "the top was reached"
    assert _row(filled, "Region")[1] == "eu-north-1"
    assert _row(filled, "SUT instance type")[1] == "not captured: the run did not note it"


def test_a_named_field_is_its_number() -> None:
    filled, _ = fill_skeleton("At stage 3: {{stage.3.signin.p95_ms}} ms, {{ stage.3.bet.requests }} bets.", _record())
    assert filled == "At stage 3: 123.4 ms, 100 bets."


def test_a_named_field_of_a_stage_that_was_not_reached_says_so() -> None:
    filled, unmatched = fill_skeleton("{{stage.9.signin.p95_ms}}", _record())
    assert (filled, unmatched) == ("not captured: stage 9 was not reached", ())


def test_an_unknown_field_stays_visible_and_is_listed() -> None:
    text = "## Summary\n\n| Item | Value |\n|---|---|\n| Moon phase | {{TBD}} |\n| Run | {{TBD}} |\n\nTide: {{TBD}}\n"
    filled, unmatched = fill_skeleton(text, _record())
    assert filled.count(TBD) == 2
    assert len(unmatched) == 2
    assert unmatched[0] == "summary: moon phase / value"
    assert "| Run | run-1 |" in filled


def test_an_unknown_column_of_a_stage_stays_visible_and_is_listed() -> None:
    text = "## Stages\n\n| Stage | VUs | Mood |\n|---|---|---|\n| 1 | {{TBD}} | {{TBD}} |\n"
    filled, unmatched = fill_skeleton(text, _record())
    assert "| 1 | 1000 | {{TBD}} |" in filled
    assert unmatched == ("stages: 1 / mood",)


def test_a_breach_is_told_with_its_numbers() -> None:
    filled, _ = fill_skeleton(_SKELETON, fold([opened(), breach(), event("load_stopped", 91.5)]))
    assert _row(filled, "Rule")[1] == "sign-in p95"
    assert _row(filled, "Observed")[1] == "612 ms"
    assert _row(filled, "Time from breach to load stopped")[1] == "1.5 s"


def test_a_run_without_a_breach_has_none() -> None:
    filled, _ = fill_skeleton(_SKELETON, _record())
    breach_part = re.split(r"^## ", filled, flags=re.MULTILINE)[5]
    assert breach_part.startswith("Breach and triage")
    assert breach_part.count("| none |") == 8


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("## Stages\n| Stage | Login 95th percentile (ms) |\n|---|---|\n| Stage 2 | {{TBD}} |\n", "| Stage 2 | 123 |"),
        ("## Stages\n| # | p(95) sign-in |\n|---|---|\n| 2 | {{TBD}} |\n", "| 2 | 123 ms |"),
        ("## Stages\n| Metric | Stage 1 | Stage 2 |\n|---|---|---|\n| Dice bet P95 | 1 | {{TBD}} |\n", "| 1 | 88 ms |"),
        ("### Stage 2 (2,000 VUs)\n| Endpoint | p95 | Errors |\n|---|---|---|\n| WebSocket | {{TBD}} | {{TBD}} |\n", "| 12 ms | 1.00% |"),
        ("## Stages\n| Stage | Endpoint | p50 |\n|---|---|---|\n| 1 | history | {{TBD}} |\n", "| history | 20 ms |"),
        ("# Report\n- Sign-in p95 at stage 3: {{TBD}}, bet p95 at stage 3: {{TBD}}.\n", "3: 123 ms, bet p95 at stage 3: 88 ms."),
        ("## Overview\n**Outcome:** {{TBD}}\n", "**Outcome:** PASS"),
        ("## Overview\nMaximum stable load: {{ TBD }}\n", "load: stage 3, 3,000 VUs"),
        ("## Test bed\nItem | Value\n--- | ---\nAWS region | {{TBD}}\n", "AWS region | eu-north-1"),
        ("Verdict: {{TBD}}", "Verdict: PASS"),
        ("{{stage.3.vus}} users, {{stage.3.ws_handshake_success}}", "3000 users, 0.9975"),
    ],
)  # fmt: skip
def test_a_field_is_known_by_its_heading_row_column_or_label(text: str, filled: str) -> None:
    result, left = fill_skeleton(text, _record())
    assert filled in result
    assert left == ()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("{{stage.3.signin.p97_ms}}", "{{stage.3.signin.p97_ms}}"),
        ("{{stage.3.moon.p95_ms}}", "{{stage.3.moon.p95_ms}}"),
        ("{{ customer }}", "{{ customer }}"),
        ("{{stage.3.endpoints}}", "{{stage.3.endpoints}}"),
        ("{{TBD}}", ": "),
        ("Duration: {{TBD}}", ": duration"),
    ],
)
def test_a_field_nobody_knows_stays_and_is_listed(text: str, left: str) -> None:
    """Duration alone is that of the run or of the teardown: it is not guessed."""
    assert fill_skeleton(text, _record()) == (text, (left,))


def test_a_value_with_a_bar_does_not_break_its_table() -> None:
    lines = [opened(), check("smoke.run", Verdict.FAIL, "a | b\nc")]
    text = "## Summary\n| Item | Value |\n|---|---|\n| Reason | {{TBD}} |\n"
    assert "| Reason | smoke.run: a \\| b c |" in fill_skeleton(text, fold(lines))[0]


def test_the_cause_of_a_breach_is_its_first_matched_row() -> None:
    row = {"row": "prisma-pool", "matched": True, "score": 1.0, "evidence": "212 ms", "cause": "the pool is exhausted"}
    filled, _ = fill_skeleton(_SKELETON, fold([opened(), breach(), event("triage", 95, rows=[row])]))
    assert _row(filled, "Cause (row of the matrix)")[1] == "prisma-pool: the pool is exhausted"


_PIECE = st.sampled_from(
    [
        "{{TBD}}",
        "{{ x }}",
        "{{stage.1.bet.p95_ms}}",
        "|",
        "\n",
        "\r\n",
        "# ",
        "|---|",
        "Stage 1",
        "p95",
        "Verdict",
        " ",
        "é",
    ]
)


@given(st.lists(_PIECE).map("".join))
def test_whatever_is_no_field_stays_byte_for_byte(text: str) -> None:
    filled, left = fill_skeleton(text, _record())
    assert len(re.findall(r"\{\{", filled)) == len(left)
    around = [re.escape(part) for part in re.split(r"\{\{[^{}]*\}\}", text)]
    assert re.fullmatch(r"[^\r\n]+?".join(around), filled)
    assert has_fields(text) == ("{{" in text)
