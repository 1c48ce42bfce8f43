"""Triage: which row of the matrix explains a breach, what to do about it, and the page that asks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from blocks.models.record import TriageRow
from blocks.models.triage import CAUSES, Answer, Measure, Row, Signal, Subject, Suggestion, TriageRules, TriageVerdict

_SHOWN = {"ms": "{:.0f} ms", "ratio": "{:.1%}", "jobs": "{:.0f} jobs", "kills": "{:.0f}"}
# What makes the others' numbers wrong or bad: these go first among rows that began at the same time.
_EXPLAINS_OTHERS: tuple[Row, ...] = ("k6-saturated", "oom-kill")
_INCONCLUSIVE_SCORE = 0.5
_ENLARGE = (
    "Queries of {} wait for a connection: enlarge its pool (connection_limit), then resume; "
    "if it cannot be enlarged, halt and document the ceiling."
)
_ADMIT = "The rate limit is an artefact of the test: raise the limits or set the bypass header, then resume."
_KILLED = "{} was killed for memory: raise its limit or lower its concurrency before the next run."
_SPREAD = "The load generator {} is the bottleneck: the stage's results are unreliable; spread k6 over more hosts."
_MARKS: dict[TriageVerdict, str] = {
    "matched": "**matched**",
    "not matched": "not matched",
    "inconclusive": "could not be judged",
}


def rank(signals: Sequence[Signal], rules: TriageRules) -> tuple[TriageRow, ...]:
    """Rank the rows of the matrix, the likeliest cause first.

    A row is matched when a subject of it is over its limits and above the run's own last stable stage. Matched rows are
    ordered by onset, the earliest first. Onsets within ``rules.same_onset_s`` count as one, because the sources are
    sampled at different times; among those, a saturated load generator and a killed container go first (they make
    the other rows' numbers), then the larger ratio of excess. Inconclusive rows follow, then those not matched.
    """
    judged = [(signal, verdict_of(signal)) for signal in signals]
    matched = _by_onset([signal for signal, verdict in judged if verdict == "matched"], rules.same_onset_s)
    unknown = [signal for signal, verdict in judged if verdict == "inconclusive"]
    healthy = sorted((signal for signal, verdict in judged if verdict == "not matched"), key=_excess, reverse=True)
    return (
        *(
            _row(signal, "matched", 1 + len(matched) - place + _squashed(_excess(signal)))
            for place, signal in enumerate(matched, start=1)
        ),
        *(_row(signal, "inconclusive", _INCONCLUSIVE_SCORE) for signal in unknown),
        *(_row(signal, "not matched", _squashed(_excess(signal)) * _INCONCLUSIVE_SCORE) for signal in healthy),
    )


def verdict_of(signal: Signal) -> TriageVerdict:
    """Judge one row; without a number it is inconclusive, never 'not matched'."""
    decisive = [subject for subject in signal.subjects if subject.decisive]
    if any(subject.over for subject in decisive):
        return "matched"
    return "inconclusive" if signal.problem or not decisive else "not matched"


def suggest(rows: Sequence[TriageRow], rules: TriageRules) -> Suggestion:
    """Return the matrix's decision for the first row that matched; none matched is an unknown cause: halt.

    Args:
        rows: ranked, as ``rank`` returns them.
        rules: which scenario fills which queue, and what is left of a throttled one.
    """
    matched = [row for row in rows if row.verdict == "matched"]
    if not matched:
        unknown = [row.row for row in rows if row.verdict == "inconclusive"]
        blind = f" {', '.join(unknown)} could not be judged." if unknown else ""
        return Suggestion(decision="halt", why=f"No row of the matrix matched: the cause is unknown.{blind}")
    first, *others = matched
    suggestion = _decision(first, rules)
    if not others:
        return suggestion
    also = ", ".join(row.row for row in others)
    return suggestion.model_copy(
        update={"why": f"{suggestion.why} Also matched: {also}; look at each before going on."}
    )


def doubt_of(rows: Sequence[TriageRow]) -> str:
    """Say why a breach says nothing of the system: a saturated load generator explains it best. Empty when it does not.

    Args:
        rows: ranked, as ``rank`` returns them.
    """
    if not rows or rows[0].row != "k6-saturated" or not rows[0].matched:
        return ""
    return f"the load generator {', '.join(rows[0].subjects)} was saturated, so these are not the system's numbers"


def page(rows: Sequence[TriageRow], suggestion: Suggestion) -> str:
    """Write the Markdown that an operator decides by in a dialog: the suggestion, then what it rests on."""
    what: str = suggestion.decision
    if suggestion.decision == "throttle":
        what = f"throttle {suggestion.scenario} to {suggestion.share:.0%}"
    lines = [f"**Suggested: {what}.** {suggestion.why}", ""]
    for row in rows:
        if row.verdict == "not matched":
            continue
        since = f" since {row.onset:%H:%M:%S} UTC" if row.onset else ""
        link = f" [Query]({row.link})" if row.link else ""
        lines.append(f"- **{row.row}** {_MARKS[row.verdict].strip('*')}{since}: {row.cause}. {row.evidence}{link}")
    others = [row.row for row in rows if row.verdict == "not matched"]
    if others:
        lines += ["", f"Not matched: {', '.join(others)}."]
    return "\n".join(lines) + "\n"


def table(rows: Sequence[TriageRow]) -> str:
    """Write all rows with their queries as a Markdown table."""
    lines = ["| Row | Cause | Verdict | What was seen | Limit | Over since | Query |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        query = f"`{row.query}`" if row.query else "-"
        cells = (
            row.row, row.cause, _MARKS[row.verdict], row.evidence, row.limit or "-",
            f"{row.onset:%H:%M:%S} UTC" if row.onset else "-", f"{query} [open]({row.link})" if row.link else query,
        )  # fmt: skip
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _decision(row: TriageRow, rules: TriageRules) -> Suggestion:
    seen = ", ".join(row.subjects)
    if row.row == "bullmq-backlog":
        return _about_queues(row.subjects, rules)
    blocked = (
        f"The CPU of {rules.ws_service} is saturated and it does not scale out without a Redis adapter: document the ceiling."
        if _cpu_name(rules) in row.subjects
        else f"Handshakes fail or are slow while the CPU of {rules.ws_service} is not known to be saturated: "
        "look for what blocks its event loop, and at its socket map."
    )
    answers: dict[str, tuple[Answer, str]] = {
        "prisma-pool": ("resume", _ENLARGE.format(seen)),
        "ws-handshake": ("halt", blocked),
        "http-429": ("resume", _ADMIT),
        "oom-kill": ("halt", _KILLED.format(seen)),
        "k6-saturated": ("halt", _SPREAD.format(seen)),
    }
    decision, why = answers[row.row]
    return Suggestion(decision=decision, why=why)


def _about_queues(queues: Sequence[str], rules: TriageRules) -> Suggestion:
    if len(queues) > 1:
        return Suggestion(
            decision="halt",
            why=f"The queues {', '.join(queues)} all pile up: the workers are the ceiling, document it.",
        )
    (queue,) = queues
    scenario = rules.queue_scenarios.get(queue)
    if scenario is None:
        return Suggestion(
            decision="halt",
            why=f"The queue {queue} piles up and no scenario is known to fill it: set triage.queue_scenarios of the load profile.",
        )
    return Suggestion(
        decision="throttle", scenario=scenario, share=rules.throttle_share,
        why=f"Only the queue {queue} piles up, and {scenario} fills it: throttle {scenario} to {rules.throttle_share:.0%} and go on.",
    )  # fmt: skip


def _cpu_name(rules: TriageRules) -> str:
    """Name the subject that says whether the event loop of the WebSocket service is saturated."""
    return f"{rules.ws_service} CPU"


def _by_onset(matched: Sequence[Signal], same_s: float) -> list[Signal]:
    known = sorted(((onset, signal) for signal in matched if (onset := _onset(signal)) is not None), key=_first)
    ordered: list[Signal] = []
    while known:
        until = known[0][0] + timedelta(seconds=same_s)
        ordered += sorted((signal for onset, signal in known if onset <= until), key=_precedence)
        known = [(onset, signal) for onset, signal in known if onset > until]
    return ordered + sorted((signal for signal in matched if _onset(signal) is None), key=_precedence)


def _first(item: tuple[datetime, Signal]) -> datetime:
    return item[0]


def _precedence(signal: Signal) -> tuple[int, float]:
    explains = _EXPLAINS_OTHERS.index(signal.row) if signal.row in _EXPLAINS_OTHERS else len(_EXPLAINS_OTHERS)
    return explains, -_excess(signal)


def _onset(signal: Signal) -> datetime | None:
    known = [subject.onset for subject in _over(signal) if subject.decisive and subject.onset is not None]
    return min(known) if known else None


def _over(signal: Signal) -> list[Subject]:
    return [subject for subject in signal.subjects if subject.over]


def _worst(signal: Signal) -> Subject | None:
    decisive = [subject for subject in signal.subjects if subject.decisive]
    return max(decisive, key=lambda subject: (subject.over, subject.excess), default=None)


def _excess(signal: Signal) -> float:
    worst = _worst(signal)
    return worst.excess if worst else 0.0


def _squashed(excess: float) -> float:
    """Map a ratio of 0 or more to 0 up to 1 without changing the order."""
    return round(max(excess, 0.0) / (1.0 + max(excess, 0.0)), 4) * 0.999


def _row(signal: Signal, verdict: TriageVerdict, score: float) -> TriageRow:
    worst = _worst(signal)
    measures = worst.measures if worst else ()
    sentences = [_sentence(subject) for subject in _over(signal)] or ([_sentence(worst)] if worst else [])
    return TriageRow(
        row=signal.row,
        matched=verdict == "matched",
        score=round(score, 4),
        evidence=" ".join(text for text in (*sentences, signal.problem, signal.evidence) if text),
        verdict=verdict,
        cause=CAUSES[signal.row],
        query=signal.query,
        observed=", ".join(_shown(measure, measure.observed) for measure in measures),
        limit=", ".join(_shown(measure, measure.limit) for measure in measures),
        onset=_onset(signal) if verdict == "matched" else None,
        link=signal.link,
        subjects=tuple(dict.fromkeys(subject.name for subject in _over(signal))) if verdict == "matched" else (),
    )


def _sentence(subject: Subject) -> str:
    return f"{subject.name}: {', '.join(_number(measure) for measure in subject.measures)}."


def _number(measure: Measure) -> str:
    text = f"{measure.name} {_shown(measure, measure.observed)} (limit {_shown(measure, measure.limit)}"
    if measure.baseline is not None:
        text += f", up to {_shown(measure, measure.baseline)} in the last stable stage"
    return text + ")"


def _shown(measure: Measure, value: float) -> str:
    return _SHOWN[measure.unit].format(value)


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")
