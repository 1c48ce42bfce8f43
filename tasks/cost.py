"""The cost of a run: estimated before apply, asked of Cost Explorer when a day has passed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from prefect.client.orchestration import get_client
from prefect.states import Scheduled

from blocks.models.errors import NoData, RampartError
from blocks.models.event import Event
from blocks.models.record import Cost
from blocks.models.verdict import Judgement
from tasks.checks import check
from tasks.clients.costs import CostExplorer, read_prices
from tasks.clients.journal import Journal
from tasks.rules.cost import LAST_LOOK, Bill, days_of, estimate, judge_cost, judge_shared, not_known, shared
from tasks.rules.plan import PlanSummary
from tasks.run import PREFECT_SILENT, Run

TAG = "rampart_run_id"
_DEPLOYMENT = "cost-check/cost-check"


def explorer_of(run: Run) -> CostExplorer:
    """Return Cost Explorer of the run's account."""
    aws = run.environment.aws
    return CostExplorer(aws.get_boto3_session(), run.environment.region, aws.aws_client_parameters.endpoint_url)


def note_inactive_tag(run: Run) -> None:
    """Note when costs are not kept by the run's tag: a warning, the run goes on."""
    try:
        if explorer_of(run).is_active(TAG):
            return
        why = f"The tag {TAG} is not active as a cost-allocation tag"
    except RampartError as error:
        why = f"Whether the tag {TAG} is active as a cost-allocation tag is not known ({error})"
    text = (
        f"{why}: the cost check can tell the whole account's cost of the day only. Activate it in the console under "
        "Billing, Cost allocation tags; that takes up to a day, and the tag has to have been used once."
    )
    run.journal.append("preflight", "note", text=text)


def estimate_cost(run: Run) -> Cost:
    """Estimate what the saved plan costs, and journal it."""
    plan = PlanSummary.model_validate_json((run.evidence / "plan.json").read_text())
    environment = run.environment
    cost = estimate(plan.billable, read_prices(), environment.region, environment.cost.planned_hours)
    run.journal.append("provision", "cost", **cost.model_dump(mode="json", exclude_defaults=True))
    return cost


def schedule_cost_check(run: Run) -> None:
    """Judge the cost as due later and schedule its check, once a run; a run that provisioned nothing has none."""
    events = run.journal.read()[0]
    if not _provisioned(events) or any(event.kind == "check" and event.data["id"] == "report.cost" for event in events):
        return
    with check(run, "report.cost", needed=False) as checking:
        checking.judge(not_known("Cost Explorer knows a day's cost a day later.", 0, _schedule(run, 1)))


def ask_for_cost(run: Run, look: int) -> Judgement:
    """Ask Cost Explorer what the run cost, journal the figure, and judge it.

    Args:
        run: the run.
        look: which look this is, from 1; while the figure is not final the next one is scheduled.
    """
    events = run.journal.read()[0]
    record = run.record()
    start, end = record.started, record.ended or events[-1].at
    days = days_of(start, end)
    try:
        bill, how, by_tag = _bill(run, days, look)
    except RampartError as error:
        return not_known(str(error), look, _schedule(run, look + 1))
    again = _schedule(run, look + 1) if bill.estimated else _scheduled(run, None)
    run.journal.append("report", "cost", actual_usd=round(bill.usd, 2), actual_basis=how, provisional=bill.estimated)
    if again is not None:
        return not_known(f"{bill.usd:.2f} USD {how}, which Cost Explorer still marks as estimated.", look, again)
    if not by_tag and (others := shared(days, _other_runs(run, start))):
        return judge_shared(bill.usd, how, others)
    judgement = judge_cost(bill.usd, how, record.cost, (end - start).total_seconds() / 3600, run.environment.cost)
    still = " Cost Explorer still marks the figure as estimated, as it does until the month's invoice."
    return judgement.model_copy(update={"detail": judgement.detail + still}) if bill.estimated else judgement


def _bill(run: Run, days: tuple[date, date], look: int) -> tuple[Bill, str, bool]:
    """Return the figure, what it is of, and whether it is this run's alone."""
    explorer, environment = explorer_of(run), run.environment
    shown = days[0].isoformat() if days[1] - days[0] == timedelta(days=1) else f"{days[0]} until before {days[1]}"
    try:
        return explorer.bill_of_tag(days, TAG, run.id), f"by the tag {TAG}, {shown}", True
    except NoData:
        # What an active tag tells comes a little later than the whole.
        if look < LAST_LOOK and _is_active(explorer):
            raise
    bill = explorer.bill_of_region(days, environment.account_id, environment.region)
    return (
        bill,
        f"of the WHOLE account {environment.account_id} in {environment.region}, {shown} (none by the tag)",
        False,
    )


def _is_active(explorer: CostExplorer) -> bool:
    try:
        return explorer.is_active(TAG)
    except RampartError:
        # Only the management account of an organisation is told.
        return False


def _schedule(run: Run, look: int) -> datetime | None:
    """Schedule a look, journal when, and return it; None after the last one."""
    if look > LAST_LOOK:
        return _scheduled(run, None)
    at = datetime.now(UTC) + timedelta(seconds=run.environment.cost.after_s)
    parameters = {
        "run_id": run.id, "environment": run.environment_name, "profile": run.profile_name, "look": look,
    }  # fmt: skip
    try:
        with get_client(sync_client=True) as client:
            found = client.read_deployment_by_name(_DEPLOYMENT)
            client.create_flow_run_from_deployment(
                found.id, parameters=parameters, state=Scheduled(scheduled_time=at),
                idempotency_key=f"cost-check {run.id} {look}",
            )  # fmt: skip
    except PREFECT_SILENT as error:
        by_hand = " ".join(f"--param {key}={value}" for key, value in parameters.items())
        run.journal.append(
            "report",
            "note",
            text=f"The cost check could not be scheduled ({type(error).__name__}). Start it by hand after {at:%Y-%m-%d %H:%M} UTC: "
            f"prefect deployment run {_DEPLOYMENT} {by_hand}",
        )
    return _scheduled(run, at)


def _scheduled(run: Run, at: datetime | None) -> datetime | None:
    run.journal.append("report", "cost", check_at=None if at is None else at.isoformat())
    return at


def _other_runs(run: Run, since: datetime) -> dict[str, tuple[date, date]]:
    """Return the days of every other run of this runs folder that provisioned something and may have lived since then."""
    found = {}
    for file in sorted(run.environment.runs_folder.glob("*/journal.jsonl")):
        if file.parent.name == run.id or file.parent.is_symlink() or file.stat().st_mtime < since.timestamp():
            continue
        events = [event for event in Journal(file).read()[0] if event.kind != "cost"]
        if _provisioned(events):
            closed = [event.at for event in events if event.kind == "run_closed"]
            found[file.parent.name] = days_of(events[0].at, closed[-1] if closed else events[-1].at)
    return found


def _provisioned(events: tuple[Event, ...] | list[Event]) -> bool:
    return any(
        event.kind == "decision" and event.phase == "provision" and event.data["answer"] == "go" for event in events
    )
