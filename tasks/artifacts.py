"""What the parent's page in the Prefect UI shows while the run lives."""

from __future__ import annotations

import logging
from collections import Counter
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey

from blocks.models.checklist import PHASES
from blocks.models.record import Record
from tasks.run import PREFECT_SILENT, Run

_logger = logging.getLogger("rampart")


def show_checklist(run: Run) -> None:
    """Show the living checklist on the parent's page, phase by phase."""
    _show(run, "checklist", "The checklist of this run.", checklist(run.record()))


def checklist(record: Record) -> str:
    """Return the checklist as Markdown: how far it is, then a table for each phase."""
    counts = Counter(item.verdict.value for item in record.checks)
    lines = [", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())]
    for phase in PHASES:
        lines += ["", f"### {phase}", "", "| check | verdict | seconds | detail |", "|---|---|---|---|"]
        lines += [
            f"| {item.title} | **{item.verdict.value}** | {'' if item.seconds is None else f'{item.seconds:.1f}'} | {_cell(item.detail)} |"
            for item in record.checks
            if item.phase == phase
        ]
    return "\n".join(lines)


def show_question(run: Run, text: str) -> None:
    """Show on the parent's page what is asked, or that nothing is."""
    _show(run, "question", "What this run waits for.", text)


def show_scorecard(run: Run) -> None:
    """Show the stages' numbers on the parent's page."""
    _show(run, "scorecard", "The stages of the ramp.", scorecard(run.record()))


def show_links(run: Run) -> None:
    """Show what to open in tabs on the parent's page."""
    _show(run, "links", "Open these in tabs.", link_list(run.record()) or "No links yet.")


def link_list(record: Record) -> str:
    """Return what to open in tabs as a Markdown list."""
    return "\n".join(f"- [{name}]({url})" for name, url in record.links.items())


def show_triage(run: Run, table: str) -> None:
    """Show the last triage with its queries on the parent's page."""
    _show(run, "triage", "The matrix at the last breach.", table)


def scorecard(record: Record, *, in_dialog: bool = False) -> str:
    """Return the stages as a Markdown table.

    Args:
        record: the run.
        in_dialog: leave out load and gate, because a dialog cuts what is wide; there the gate's sentence follows.
    """
    about = () if in_dialog else ("load", "gate")
    names = ("signin", "bet", "history", "ws")
    exact = any(item.p95_ms is not None for stage in record.stages for item in stage.endpoints)
    p95_is = (
        "p95 in ms."
        if exact
        else "p95 in ms: Prometheus' live estimate over the held stage, exact numbers come in the report."
    )
    lines = [
        f"{p95_is} errors: of the worst endpoint. CPU: of the busiest container, 100 % = one core.",
        "",
        f"| {' | '.join(('stage', *about, *names, 'errors', 'WS ok', 'CPU'))} |",
        "|---" * (len(about) + len(names) + 4) + "|",
    ]
    for stage in record.stages:
        numbers = {item.name: item for item in stage.endpoints}
        p95 = [
            _number(numbers[name].p95_ms if numbers[name].p95_ms is not None else numbers[name].live_p95_ms)
            if name in numbers
            else "–"
            for name in names
        ]
        errors = [item.error_rate for item in stage.endpoints if item.error_rate is not None]
        busiest = max((use.cpu_percent for use in stage.sut if use.cpu_percent is not None), default=None)
        load = f"{stage.rate:g}/s" if stage.vus is None and stage.rate is not None else stage.vus
        cells = [
            stage.number,
            *(() if in_dialog else (load, stage.gate.verdict.value if stage.gate else "–")),
            *p95,
            f"{max(errors):.1%}" if errors else "–",
            "–" if stage.ws_handshake_success is None else f"{stage.ws_handshake_success:.1%}",
            "–" if busiest is None else f"{busiest:.0f} %",
        ]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines)


def show_progress(run: Run, stages: int, of: int) -> None:
    """Show on the parent's page how many stages of the ramp were judged."""
    _show(run, "progress", "Stages of the ramp.", 100.0 * stages / of, kind="progress")


def _show(run: Run, key: str, description: str, data: str | float, kind: str = "markdown") -> None:
    """Create or update an artifact of the parent; a Prefect that does not answer must not end a run."""
    try:
        with get_client(sync_client=True) as client:
            own = ArtifactFilter(
                key=ArtifactFilterKey(any_=[key]), flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(run.id)])
            )
            known = client.read_artifacts(artifact_filter=own)
            if known:
                client.update_artifact(known[0].id, ArtifactUpdate(data=data, description=description))
            else:
                client.create_artifact(
                    ArtifactCreate(key=key, type=kind, description=description, data=data, flow_run_id=UUID(run.id))
                )
    except PREFECT_SILENT as error:
        _logger.warning(
            "The page in the Prefect UI could not be updated (%s); the journal has it.", type(error).__name__
        )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")[:300]
