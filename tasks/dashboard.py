"""Grafana and Jaeger for a run: links, the dashboard's health, snapshots, traces, pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Self

from prefect import task
from prefect.logging import get_run_logger

from blocks.models.errors import Failed, NoData, RampartError, Unavailable
from blocks.models.record import TraceId
from blocks.models.verdict import Judgement, failed, passed
from tasks.clients.browser import WIDTH, Photographer, write_whole
from tasks.clients.dashboards import Grafana, PanelAnswer
from tasks.clients.traces import Jaeger
from tasks.metrics import prometheus_of
from tasks.rules.traces import slow_ms, slowest_operation
from tasks.run import Run

# Slow traces kept per stage, and as many failed ones: the checklist asks for two or three.
_TRACES = 2
_SEARCHED = 100
_RENDER_S = 60.0


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
    with Photographer(run.environment.observability.grafana_token.get_secret_value()) as browser:
        view = browser.photograph(grafana.dashboard_link(uid, None, None, kiosk=True), file)
    banners = view.error_banners if view else 0
    if down or broken or banners:
        seen = "; ".join([*down, *broken][:3]) or f"{banners} red banners on its page"
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


def keep_traces(run: Run, start: datetime, end: datetime, name: str) -> tuple[TraceId, ...]:
    """Return the slowest traces of the slowest endpoint and failed ones between two times, opened and saved.

    Raises:
        NoData: Jaeger has none.
    """
    found = _verified(run, start, end, _TRACES, name)
    if not found:
        raise NoData(f"Jaeger has no trace of {run.environment.services.traced[0]} between the stage's begin and end.")
    return tuple(found)


class Panels:
    """What the dashboard shows of a time; its panels' queries run once, when somebody wants to know."""

    def __init__(self, run: Run, start: datetime, end: datetime) -> None:
        self.grafana = grafana_of(run)
        self.start, self.end = start, end
        self._uid = run.environment.observability.dashboard_uid
        # A picture and a snapshot of the same time are taken by two threads.
        self._asking = Lock()
        self._asked: tuple[dict[str, Any], tuple[PanelAnswer, ...]] | None = None

    @property
    def dashboard(self) -> dict[str, Any]:
        """The dashboard's model."""
        return self._ask()[0]

    @property
    def answers(self) -> tuple[PanelAnswer, ...]:
        """What each panel's queries returned."""
        return self._ask()[1]

    def _ask(self) -> tuple[dict[str, Any], tuple[PanelAnswer, ...]]:
        with self._asking:
            if self._asked is None:
                dashboard = self.grafana.dashboard(self._uid)
                self._asked = dashboard, self.grafana.ask_panels(dashboard, self.start, self.end)
            return self._asked

    def refuse_without_data(self) -> None:
        """See that the dashboard shows something: a picture of nothing is no evidence.

        Raises:
            NoData: most panels are empty; those whose queries fall back to 0 never are.
        """
        empty = [answer for answer in self.answers if not answer.points]
        if len(empty) * 2 > len(self.answers) or not self.answers:
            said = next((f"; {answer.title}: {answer.error}" for answer in empty if answer.error), "")
            raise NoData(
                f"{len(empty)} of {len(self.answers)} panels of '{self.dashboard.get('title')}' show no data between "
                f"{self.start.isoformat()} and {self.end.isoformat()}{said}."
            )


def keep_snapshot(run: Run, name: str, panels: Panels) -> str:
    """Store a snapshot with its data and return its address; the answer is kept as evidence.

    Raises:
        NoData: the dashboard shows nothing of that time.
    """
    panels.refuse_without_data()
    grafana = panels.grafana
    snapshot = grafana.snapshot(panels.dashboard, f"{run.id[:8]} {name}", panels.start, panels.end, panels.answers)
    text = grafana.snapshot_text(snapshot.key)
    if '"fields"' not in text:
        raise NoData(f"The snapshot of {name} holds no data.")
    file = run.evidence / "snapshots" / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, text.encode())
    return snapshot.url


class Camera:
    """Takes pictures of the dashboard: by Grafana's renderer when it has one, else by a browser that stays open.

    Args:
        run: the run.
        stays: the dashboard stays open too: quicker, where nothing is measured meanwhile.
    """

    def __init__(self, run: Run, *, stays: bool = False) -> None:
        self._run = run
        self._stays = stays
        self._grafana = grafana_of(run)
        self._uid = run.environment.observability.dashboard_uid
        self._renders = False
        self._browser: Photographer | None = None
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def open(self) -> None:
        """Start what takes time to start; what fails now is tried again with the first picture."""
        with suppress(RampartError, OSError):
            self._open()

    def picture(self, start: datetime, panels: Panels, file: Path, go_on: Callable[[], bool]) -> bool:
        """Save the full dashboard from a time to the panels' end; return False when it was given up because of ``go_on``.

        Raises:
            Failed: it shows red banners or a log-in page, or no picture came.
            NoData: it shows nothing of that time.
            Unavailable: it did not load in time.
        """
        end = panels.end
        self._open()
        panels.refuse_without_data()
        if self._renders:
            picture = self._grafana.render(self._uid, start, end, WIDTH, _RENDER_S)
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, picture)
            return True
        assert self._browser is not None
        try:
            view = self._browser.photograph(
                self._grafana.dashboard_link(self._uid, start, end, kiosk=True), file, go_on
            )
        except Unavailable:
            # It may be the browser that is gone: the next picture begins with another one.
            self._browser = None
            self._opened.close()
            raise
        if view is not None and view.error_banners:
            raise Failed(f"The dashboard shows {view.error_banners} red banners; wanted is none: see {file.name}.")
        return view is not None

    def _open(self) -> None:
        if self._renders or self._browser is not None:
            return
        self._renders = self._grafana.has_renderer()
        if not self._renders:
            token = self._run.environment.observability.grafana_token.get_secret_value()
            self._browser = self._opened.enter_context(Photographer(token, stays=self._stays))


def judge_traces(traces: Sequence[TraceId]) -> Judgement:
    """Judge whether every kept trace opens."""
    lost = [item.id for item in traces if not item.verified]
    if lost or not traces:
        return failed(
            f"{len(lost)} of {len(traces)} traces do not open through Jaeger's API; wanted are all, and at least one."
        )
    return passed(f"{len(traces)} traces opened through Jaeger's API and saved")


def _verified(run: Run, start: datetime, end: datetime, most: int, name: str) -> list[TraceId]:
    jaeger, service = jaeger_of(run), run.environment.services.traced[0]
    seen = [trace for trace in jaeger.search(service, start, end, limit=_SEARCHED) if "health" not in trace.root]
    slowest = slowest_operation(seen)
    # A search gives the newest traces: the slow ones are asked for by what is slow among them.
    slow = jaeger.search(service, start, end, min_duration_ms=slow_ms(seen), limit=_SEARCHED) if seen else ()
    broken = jaeger.search(service, start, end, failed=True, limit=_TRACES) if seen else ()
    of_slowest = sorted(
        (trace for trace in {*seen, *slow} if trace.root == slowest),
        key=lambda trace: (-trace.duration_ms, trace.trace_id),
    )
    failed_ones = [trace for trace in (*broken, *seen) if trace.failed and "health" not in trace.root]
    kept: dict[str, TraceId] = {}
    for trace, why in [
        *((trace, "slowest") for trace in of_slowest[:most]),
        *((trace, "failed") for trace in failed_ones[:most]),
    ]:
        got = jaeger.get(trace.trace_id)
        file = run.evidence / "traces" / f"{name}-{trace.trace_id}.json"
        if got is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, got[1].encode())
        kept[trace.trace_id] = TraceId(
            id=trace.trace_id,
            why=f"{why}: {trace.root} {trace.duration_ms:.0f} ms",
            verified=got is not None and service in got[0].services,
            file=run.relative(file) if got is not None else None,
        )
    return list(kept.values())
