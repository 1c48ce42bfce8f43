"""Grafana and Jaeger for a run: links, the dashboard's health, snapshots, traces, pictures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from prefect import task
from prefect.logging import get_run_logger

from blocks.models.errors import Failed, NoData, RampartError
from blocks.models.record import Stage, TraceId
from blocks.models.verdict import Judgement, failed, passed
from tasks.clients.browser import PageView, photograph_dashboards
from tasks.clients.dashboards import Grafana
from tasks.clients.traces import Jaeger
from tasks.metrics import prometheus_of
from tasks.run import Run

# Traces kept per stage: the checklist asks for two or three.
_TRACES = 2


def grafana_of(run: Run) -> Grafana:
    """Return the run's Grafana: the block's address, or Terraform's output."""
    settings = run.environment.observability
    return Grafana(
        settings.grafana_url or str(run.outputs().get("grafana_url", "")), settings.grafana_token.get_secret_value()
    )


def jaeger_of(run: Run) -> Jaeger:
    """Return the run's Jaeger: the block's address, or Terraform's output."""
    return Jaeger(run.environment.observability.jaeger_url or str(run.outputs().get("jaeger_url", "")))


@task(retries=2, retry_delay_seconds=2)
def check_dashboard(run: Run) -> tuple[Judgement, Path]:
    """Open the dashboard by API and in a browser: data sources answer, no panel fails. No data is fine."""
    run.journal.append("provision", "version", name="Prometheus", version=prometheus_of(run).version())
    grafana = grafana_of(run)
    run.journal.append("provision", "version", name="Grafana", version=grafana.version())
    uid = run.environment.observability.dashboard_uid
    dashboard = grafana.dashboard(uid)
    now = datetime.now(UTC)
    sources = grafana.data_sources(dashboard)
    down = [f"{source}: {why}" for source in sources if (why := grafana.data_source_health(source))]
    panels = grafana.ask_panels(dashboard, datetime.fromtimestamp(now.timestamp() - 300, UTC), now)
    broken = [f"{panel.title}: {panel.error}" for panel in panels if panel.error]
    file = run.evidence / "dashboard-before.png"
    view = _photograph(run, [(grafana.dashboard_link(uid, None, None, kiosk=True), file)])[0]
    if down or broken or view.error_banners:
        seen = "; ".join([*down, *broken][:3]) or f"{view.error_banners} red banners on its page"
        return failed(f"The dashboard {uid} shows errors: {seen}; wanted is none (no data is fine)."), file
    return passed(
        f"'{dashboard.get('title')}': {len(sources)} data sources answer, {len(panels)} panels without error"
    ), file


def links(run: Run) -> dict[str, str]:
    """Return what an operator opens in tabs."""
    grafana, jaeger = grafana_of(run), jaeger_of(run)
    return {
        "Grafana dashboard": grafana.dashboard_link(run.environment.observability.dashboard_uid, None, None),
        "Jaeger search": jaeger.search_link(run.environment.services.traced[0], datetime.now(UTC)),
        "Prometheus": run.environment.observability.monitoring_url or str(run.outputs().get("monitoring_url", "")),
    }


def annotate(run: Run, text: str) -> None:
    """Mark a moment on the dashboard; a Grafana that refuses does not end a ramp."""
    try:
        grafana_of(run).annotate(
            run.environment.observability.dashboard_uid, datetime.now(UTC), text, ["rampart", f"run:{run.id}"]
        )
    except RampartError as error:
        get_run_logger().warning("The dashboard could not be annotated: %s", error)


@task(retries=2, retry_delay_seconds=2)
def find_trace(run: Run, start: datetime, end: datetime) -> TraceId:
    """Return a slow trace of the first service, opened through the API and saved."""
    found = _verified(run, start, end, 1, "smoke")
    if not found:
        raise NoData("Jaeger has no trace of the smoke test; wanted is one that opens: does the SUT export its spans?")
    return found[0]


@task(retries=1, retry_delay_seconds=2)
def keep_traces(run: Run, stage: Stage) -> tuple[TraceId, ...]:
    """Return the slowest and the failed traces of a stage, verified and saved."""
    if stage.steady_from is None or stage.steady_to is None:
        return ()
    return tuple(_verified(run, stage.steady_from, stage.steady_to, _TRACES, f"stage-{stage.number:02d}"))


@task(retries=1, retry_delay_seconds=2)
def keep_snapshot(run: Run, name: str, start: datetime, end: datetime) -> str:
    """Store a snapshot with its data and return its address; the answer is kept as evidence."""
    grafana = grafana_of(run)
    dashboard = grafana.dashboard(run.environment.observability.dashboard_uid)
    snapshot = grafana.snapshot(dashboard, f"{run.id[:8]} {name}", start, end)
    text = grafana.snapshot_text(snapshot.key)
    if '"fields"' not in text:
        raise NoData(f"The snapshot of {name} holds no data.")
    file = run.evidence / "snapshots" / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return snapshot.url


@task
def photograph_stages(run: Run, stages: tuple[Stage, ...]) -> dict[int, Path]:
    """Take a picture of the dashboard over each stage's time; after the load, so that no browser competes with it."""
    grafana, uid = grafana_of(run), run.environment.observability.dashboard_uid
    chosen = [stage for stage in stages if stage.steady_to is not None]
    files = {stage.number: run.evidence / "screenshots" / f"stage-{stage.number:02d}.png" for stage in chosen}
    first = stages[0].started if stages else None
    if not chosen:
        return {}
    views = _photograph(
        run,
        [(grafana.dashboard_link(uid, first, stage.steady_to, kiosk=True), files[stage.number]) for stage in chosen],
    )
    broken = [number for number, view in zip(files, views, strict=True) if view.error_banners]
    if broken:
        raise Failed(f"The dashboard shows red banners at stage {', '.join(map(str, broken))}; wanted is none.")
    return files


def judge_traces(traces: Sequence[TraceId]) -> Judgement:
    """Judge whether every kept trace opens."""
    lost = [item.id for item in traces if not item.verified]
    if lost or not traces:
        return failed(
            f"{len(lost)} of {len(traces)} traces do not open through Jaeger's API; wanted are all, and at least one."
        )
    return passed(f"{len(traces)} traces opened through Jaeger's API and saved")


def _photograph(run: Run, pages: list[tuple[str, Path]]) -> tuple[PageView, ...]:
    return photograph_dashboards(pages, run.environment.observability.grafana_token.get_secret_value())


def _verified(run: Run, start: datetime, end: datetime, most: int, name: str) -> list[TraceId]:
    jaeger = jaeger_of(run)
    service = run.environment.services.traced[0]
    found = [trace for trace in jaeger.search(service, start, end, limit=100) if "health" not in trace.root]
    chosen = [(trace, "slowest") for trace in found[:most]] + [(trace, "failed") for trace in found if trace.failed][
        :most
    ]
    kept: dict[str, TraceId] = {}
    for trace, why in chosen:
        got = jaeger.get(trace.trace_id)
        file = run.evidence / "traces" / f"{name}-{trace.trace_id}.json"
        if got is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(got[1])
        kept[trace.trace_id] = TraceId(
            id=trace.trace_id,
            why=f"{why}: {trace.root} {trace.duration_ms:.0f} ms",
            verified=got is not None and service in got[0].services,
            file=run.relative(file) if got is not None else None,
        )
    return list(kept.values())
