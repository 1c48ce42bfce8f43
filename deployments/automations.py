"""What Prefect does by itself: it notices dead runs, wakes the janitor, and says when the janitor is dead."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, DoNothing, RunDeployment, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

ALARM_BLOCK = "rampart-alarm"
"""Name of the notification block (Slack, mail, a custom webhook, …) through which the dead-man alarm speaks."""
# A run beats every 30 s (deployments/prefect.yaml); three beats are missing then.
_SILENCE = timedelta(seconds=90)
# The janitor runs every 15 minutes; three of its runs are missing then.
_OVERDUE = timedelta(minutes=45)
_RUNS = ["performance-run", "nightly-smoke"]
_ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}


def _flows(*names: str) -> ResourceSpecification:
    return ResourceSpecification({"prefect.resource.role": "flow", "prefect.resource.name": list(names)})


def automations(janitor: UUID, alarm: UUID | None) -> tuple[AutomationCore, ...]:
    """Return the automations.

    Args:
        janitor: id of the janitor's deployment.
        alarm: id of the notification block's document; None = the alarm is only an event in Prefect.
    """
    return (
        AutomationCore(
            name="rampart: a run without heartbeats has crashed",
            description="A worker that is killed with its run cannot report it. This lets the janitor find the run.",
            trigger=EventTrigger(
                posture=Posture.Proactive,
                after={"prefect.flow-run.heartbeat"},
                expect={"prefect.flow-run.heartbeat", *_ENDS},
                match_related=_flows(*_RUNS),
                for_each={"prefect.resource.id"},
                within=_SILENCE,
                threshold=1,
            ),
            actions=[
                ChangeFlowRunState(
                    name="Crashed",
                    state=StateType.CRASHED,
                    message="No heartbeat for 90 s: its process and its worker are gone.",
                )
            ],
        ),
        AutomationCore(
            name="rampart: a crashed run wakes the janitor",
            description="Beside the run's own hook, which needs its worker.",
            trigger=EventTrigger(
                posture=Posture.Reactive,
                expect={"prefect.flow-run.Crashed"},
                match_related=_flows(*_RUNS),
                for_each={"prefect.resource.id"},
                within=timedelta(0),
                threshold=1,
            ),
            actions=[RunDeployment(source="selected", deployment_id=janitor, parameters={})],
        ),
        AutomationCore(
            name="rampart: the janitor is overdue",
            description=f"It has not completed for 45 minutes. Told through the notification block {ALARM_BLOCK}, when there is one.",
            trigger=EventTrigger(
                posture=Posture.Proactive,
                expect={"prefect.flow-run.Completed"},
                match_related=_flows("janitor"),
                within=_OVERDUE,
                threshold=1,
            ),
            actions=[
                SendNotification(
                    block_document_id=alarm,
                    subject="Rampart: the janitor is overdue",
                    body="It has not completed for 45 minutes. Is the worker of the pool rampart-teardown alive? Infrastructure may be left.",
                )
                if alarm
                else DoNothing()
            ],
        ),
    )


def apply_automations(client: SyncPrefectClient) -> tuple[str, ...]:
    """Create the automations, or bring those of the same name up to date; return their names."""
    janitor = client.read_deployment_by_name("janitor/janitor").id
    wanted = automations(janitor, _alarm(client))
    for automation in wanted:
        known = client.read_automations_by_name(automation.name)
        if known:
            client.update_automation(known[0].id, automation)
        else:
            client.create_automation(automation)
    return tuple(automation.name for automation in wanted)


def _alarm(client: SyncPrefectClient) -> UUID | None:
    """Return the notification block named for the alarm, of whatever type it is."""
    found = [document for document in client.read_block_documents() if document.name == ALARM_BLOCK]
    return found[0].id if found else None
