"""The operator's checklist: every item with its stable id, in the order it is worked through."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Phase = Literal["preflight", "provision", "smoke", "ramp", "collect", "teardown", "report"]

PHASES: tuple[Phase, ...] = ("preflight", "provision", "smoke", "ramp", "collect", "teardown", "report")


class ChecklistItem(BaseModel):
    """One item of the checklist."""

    model_config = ConfigDict(frozen=True)

    id: str
    title: str
    implemented: bool = True
    """False while the item is not verified yet: it is then INCONCLUSIVE and does not count."""

    @property
    def phase(self) -> Phase:
        """The phase the item belongs to: the part of the id before the dot."""
        name = self.id.partition(".")[0]
        return next(phase for phase in PHASES if phase == name)


def _items(*rows: tuple[str, str] | tuple[str, str, bool]) -> tuple[ChecklistItem, ...]:
    return tuple(ChecklistItem(id=row[0], title=row[1], implemented=len(row) == 2 or bool(row[2])) for row in rows)  # noqa: PLR2004 - a row is (id, title) or (id, title, implemented)


CHECKLIST: tuple[ChecklistItem, ...] = _items(
    ("preflight.identity", "The caller is the performance account"),
    ("preflight.tfvars", "terraform.tfvars is there and admits only known networks"),
    ("preflight.plan", "The plan adds what is expected, changes and destroys nothing"),
    ("preflight.quotas", "The region has room for VPCs, addresses and vCPUs"),
    ("preflight.tools", "The tools are installed and fit the load generator"),
    ("provision.apply", "The approved plan is applied"),
    ("provision.outputs", "Terraform's outputs are complete, and what they name answers"),
    ("provision.registry_login", "The container engine is logged in to the registry"),
    ("provision.images", "Six images are built and pushed for the SUT's architecture"),
    ("provision.services", "The SUT runs the images that were pushed"),
    ("provision.health", "The API answers its health check"),
    ("provision.database", "Migrations and seed ran in the api container"),
    ("provision.users", "The load users are seeded"),
    ("provision.users_file", "users.json on the load generator is complete"),
    ("provision.dashboard", "The dashboard opens and its data sources answer"),
    ("smoke.run", "The smoke test ends with exit code 0"),
    ("smoke.scenarios", "Sign-in, bet, history and WebSocket all ran"),
    ("smoke.vus", "Prometheus saw the smoke's virtual users"),
    ("smoke.traffic", "Every service received requests"),
    ("smoke.trace_link", "A slow request's trace opens"),
    ("smoke.signin_p95", "Sign-in p95 is below its limit"),
    ("smoke.bet_exception", "The known exception of dice bets is recorded"),
    ("ramp.tabs", "Dashboard, trace search and container statistics are at hand"),
    ("ramp.recording", "The dashboard is recorded"),
    ("ramp.launch", "The ramp is launched"),
    ("ramp.stage_notes", "Every stage's numbers are noted"),
    ("ramp.abort", "The guard watched the load"),
    ("ramp.gate", "No stage was started from an unstable one"),
    ("ramp.stage_evidence", "Every stage's evidence is kept"),
    ("collect.results", "k6's results are copied from every load generator"),
    ("collect.snapshots", "A Grafana snapshot of every stage is stored"),
    ("collect.traces", "Traces of slow and failed requests are kept"),
    ("teardown.destroy", "Terraform destroyed everything; its state is empty"),
    ("teardown.registries", "The image registries are gone"),
    ("teardown.sweep", "Nothing that carries the run's tag is left"),
    ("report.filled", "The team's report is filled"),
    ("report.cost", "The cost is checked after a day"),
)

CHECKS: dict[str, ChecklistItem] = {item.id: item for item in CHECKLIST}
