"""Finding and deleting what a run left in the account, by the run's tag and nothing else.

Each kind is looked for and confirmed by its own service; the tagging API only adds what no kind here knows. What
carries no tag goes only as part of something that does: images with their repository, inline policies with their role.
"""

from __future__ import annotations

import time

from blocks.models.errors import Failed, RampartError
from tasks.clients.account import Account
from tasks.clients.sweep import balancers, ec2, identities, stores
from tasks.clients.sweep.api import Api, Blocked, Kind
from tasks.clients.sweep.resources import TAG, Outcome, Resource, State, Swept

# What needs a thing comes before the thing. NAT gateways and endpoints hold addresses and interfaces.
_KNOWN = (
    ec2.INSTANCE,
    balancers.LOAD_BALANCER,
    balancers.TARGET_GROUP,
    ec2.NAT_GATEWAY,
    ec2.ENDPOINT,
    ec2.ADDRESS,
    ec2.INTERFACE,
    ec2.VOLUME,
    ec2.RULE,
    ec2.GROUP,
    ec2.ROUTE_TABLE,
    ec2.INTERNET_GATEWAY,
    ec2.SUBNET,
    ec2.VPC,
    stores.REPOSITORY,
    ec2.KEY_PAIR,
    identities.PROFILE,
    identities.ROLE,
    identities.POLICY,
    stores.LOG_GROUP,
)
ORDER = (*_KNOWN, stores.others(_KNOWN))

# Without any progress for so long, what is left is a leftover. AWS takes minutes for NAT gateways and the network
# interfaces of load balancers.
_PATIENCE_S = 300.0
# What was asked to go and does not even say that it is going is not waited for longer.
_HEARD_S = 10.0
_PAUSES_S = (1.0, 2.0, 5.0, 10.0)


def find(account: Account, account_id: str, run_id: str, kind: str | None = None) -> tuple[Resource, ...]:
    """Return what still exists of a run, or only one kind of it; what is terminated does not count.

    Raises:
        Refused: the credentials belong to another account.
        Failed: a kind could not be looked for.
    """
    account.require(account_id)
    sweeper = _Sweeper(Api(account, run_id), 0.0)
    sweeper.look(tuple(item for item in ORDER if kind in {None, item.name}))
    for error in sweeper.unseen.values():
        raise Failed(str(error))
    return tuple(item.resource for item in sweeper.report(Outcome.FOUND))


def sweep(
    account: Account, account_id: str, run_id: str, *, dry_run: bool = False, patience_s: float = _PATIENCE_S
) -> tuple[Swept, ...]:
    """Delete what still exists of a run, in dependency order; may be called again, and beside another one.

    One thing that cannot be deleted does not keep the others, nor does a kind that cannot be looked for.

    Args:
        account: the account.
        account_id: whose account it must be.
        run_id: the run, as its tag says.
        dry_run: only list.
        patience_s: how long to go on without any progress.

    Returns:
        Everything of the run that was seen, in order of deletion, and what became of it.

    Raises:
        Refused: the credentials belong to another account; nothing was deleted.
        Failed: AWS does not take the credentials.
        Unavailable: AWS did not answer at all.
    """
    account.require(account_id)
    sweeper = _Sweeper(Api(account, run_id), patience_s)
    if dry_run:
        sweeper.look()
        return sweeper.report(Outcome.FOUND)
    sweeper.delete_all()
    return sweeper.report(Outcome.LEFT)


class _Sweeper:
    def __init__(self, api: Api, patience_s: float) -> None:
        self.api = api
        self.patience_s = patience_s
        self.seen: set[Resource] = set()
        self.present: dict[Resource, State] = {}
        self.unseen: dict[Kind, RampartError] = {}
        self.reasons: dict[Resource, RampartError] = {}

    def look(self, kinds: tuple[Kind, ...] = ORDER) -> None:
        """Ask every service what there is of the run."""
        self.present, self.unseen = {}, {}
        for kind in kinds:
            try:
                self.present |= kind.find(self.api)
            except RampartError as error:
                self.unseen[kind] = error
        self.seen |= self.present.keys()

    def delete_all(self) -> None:
        """Delete and look again until every kind was seen and nothing is there, or nothing more can be done."""
        self.look()
        progress, rounds, deleted = time.monotonic(), 0, 0
        while self.present or self.unseen:
            for kind in ORDER:
                self._delete(kind)
            self.look()
            if self._deleted() > deleted:
                progress, rounds, deleted = time.monotonic(), 0, self._deleted()
            elif self._hopeless() or time.monotonic() - progress > self.patience_s:
                return
            if self.present or self.unseen:
                time.sleep(_PAUSES_S[min(rounds, len(_PAUSES_S) - 1)])
                rounds += 1

    def report(self, present: Outcome) -> tuple[Swept, ...]:
        """Say what became of everything that was seen."""
        region = self.api.account.region
        swept: list[Swept] = []
        for kind in ORDER:
            if kind in self.unseen:
                listing = f"aws resourcegroupstaggingapi get-resources --region {region} --tag-filters Key={TAG},Values={self.api.run_id}"
                swept.append(Swept(Resource(kind.name, "?"), Outcome.UNSEEN, str(self.unseen[kind]), listing))
            for resource in sorted(item for item in self.seen if item.kind == kind.name):
                if resource in self.present:
                    by_hand = kind.by_hand.format(id=resource.id, name=resource.name, region=region)
                    swept.append(Swept(resource, present, self._why(resource, present), by_hand))
                elif kind not in self.unseen:
                    swept.append(Swept(resource, Outcome.DELETED))
        return tuple(swept)

    def _delete(self, kind: Kind) -> None:
        mine = [resource for resource, state in self.present.items() if resource.kind == kind.name]
        asked = [resource for resource in sorted(mine) if self.present[resource] is State.PRESENT]
        for resource in asked:
            self.reasons.pop(resource, None)
        for step in (kind.loosen, kind.delete):
            for resource in asked:
                if step and resource not in self.reasons:
                    try:
                        step(self.api, resource)
                    except RampartError as error:
                        # Also of what is gone already: the next look decides.
                        self.reasons[resource] = error
        self._await(kind, [resource for resource in mine if resource not in self.reasons])

    def _await(self, kind: Kind, going: list[Resource]) -> None:
        """Wait until what was asked to go is gone, because the next kinds may need it gone."""
        began, pause = time.monotonic(), 0.2
        while going:
            try:
                found = kind.find(self.api)
            except RampartError:
                return
            going = [resource for resource in going if resource in found]
            on_its_way = any(found[resource] is State.GOING for resource in going)
            if not going or time.monotonic() - began > (
                self.patience_s if on_its_way else min(_HEARD_S, self.patience_s)
            ):
                return
            time.sleep(pause)
            pause = min(2 * pause, 5.0)

    def _deleted(self) -> int:
        """Count what was seen and is gone; of a kind that cannot be looked for nobody knows."""
        unseen = {kind.name for kind in self.unseen}
        return sum(item not in self.present and item.kind not in unseen for item in self.seen)

    def _hopeless(self) -> bool:
        """Whether what is left stays as it is, however long one waits."""
        reasons = [*(self.reasons.get(resource) for resource in self.present), *self.unseen.values()]
        return all(isinstance(reason, Blocked) for reason in reasons)

    def _why(self, resource: Resource, outcome: Outcome) -> str:
        state = self.present[resource]
        if outcome is Outcome.FOUND:
            return "is being deleted" if state is State.GOING else ""
        reason = self.reasons.get(resource)
        return str(reason) if reason else f"still {state.value} after it was asked to go"
