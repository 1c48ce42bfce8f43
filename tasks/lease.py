"""The lease of an environment, kept as a chain of Prefect variables: taken, renewed, released, or lost."""

from __future__ import annotations

import logging
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import VariableCreate, VariableUpdate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.types import MAX_VARIABLE_VALUE_LENGTH

from blocks.models.errors import Refused, Unavailable
from blocks.models.lease import Lease, LeaseState, Link
from tasks.rules.lease import RunState, environment_of, judge_link, newest_link, read_link, variable_name, with_leftover
from tasks.run import PREFECT_SILENT, Run

TEARDOWN_MINUTES = 15
"""How long a teardown may be silent before the janitor takes over; it renews its lease while it works."""
# A lease that is lost is noticed within this time; renewing costs two small requests.
_RENEW_S = 10.0
# A process that lives renews an expired lease as soon as Prefect answers again: so many renewals are waited for.
_RENEWALS = 3
_LOOK_S = 0.5
_CANCEL_FORGOTTEN = timedelta(minutes=5)
# Prefect's own page size for variables.
_PAGE = 200

_logger = logging.getLogger("rampart")


@dataclass
class Held:
    """A lease that this process holds."""

    environment: str
    epoch: int
    lease: Lease
    minutes: float
    """How far each renewal reaches."""
    writing: threading.Lock = field(default_factory=threading.Lock)
    """Held from the change to the write: a renewal must not undo a release of the same moment."""
    ended: bool = False
    """Whether it was released or given up: it is not renewed any more."""
    lost: threading.Event = field(default_factory=threading.Event)
    """Set when somebody else took the next epoch: nothing may be made or deleted any more."""


# What this process holds, by run: every phase of a run asks here, and a process that holds nothing may make nothing.
_HELD: dict[str, Held] = {}


def held_by_this_process(run: Run) -> Held | None:
    """Return the lease this process holds for the run."""
    return _HELD.get(run.id)


def newest(environment: str) -> Link | None:
    """Return the newest link of an environment's chain.

    Raises:
        Unavailable: Prefect does not answer.
    """
    with _asking("read the lease") as client:
        return newest_link(environment, _variables(client, variable_name(environment, 0).removesuffix("0")))


def leased_environments() -> tuple[str, ...]:
    """Return every environment that has a chain of leases.

    Raises:
        Unavailable: Prefect does not answer.
    """
    with _asking("read the leases") as client:
        names = (environment_of(name) for name in _variables(client, "rampart_lease_"))
        return tuple(sorted({name for name in names if name}))


def state_of(link: Link | None) -> tuple[LeaseState, str]:
    """Say what the newest link means for somebody else, and why; asks Prefect for the run's state.

    Raises:
        Unavailable: Prefect does not answer.
    """
    alive: RunState = "unknown"
    if link is not None and link.lease is not None:
        with _asking("read the state of the lease's run") as client:
            alive = _run_state(client, link.lease.run_id)
    return judge_link(link, datetime.now(UTC), alive)


def run_ended(run_id: str) -> bool:
    """Whether a run's flow run has a final state, or is not known to Prefect.

    Raises:
        Unavailable: Prefect does not answer.
    """
    with _asking("read the state of the run") as client:
        return _run_state(client, run_id) == "ended"


def is_cancelling(run: Run) -> bool:
    """Whether the run was cancelled in Prefect; no, when Prefect does not answer."""
    try:
        with _asking("read the state of the run") as client:
            state = client.read_flow_run(UUID(run.id)).state
    except Unavailable:
        return False
    return state is not None and (state.is_cancelling() or state.is_cancelled())


def is_renewed(environment: str, link: Link) -> bool:
    """Whether somebody still renews a stale lease: its process lives, and Prefect was away for as long as it lasted.

    Waits for as long as three renewals take.

    Raises:
        Unavailable: Prefect does not answer.
    """
    deadline = time.monotonic() + _RENEWALS * _RENEW_S
    while time.monotonic() < deadline:
        if newest(environment) != link:
            return True
        time.sleep(_LOOK_S)
    return False


def kept_until(run: Run) -> datetime | None:
    """Return until when the failed run's infrastructure is kept; None when it is not.

    Raises:
        Unavailable: Prefect does not answer.
    """
    link = newest(run.environment_name)
    lease = link.lease if link else None
    if lease is None or lease.run_id != run.id or lease.purpose != "kept" or lease.expires <= datetime.now(UTC):
        return None
    return lease.expires


def take(run: Run, after: Link | None, minutes: float, purpose: Literal["run", "teardown"] = "run") -> Held | None:
    """Take the next epoch of the run's environment; None when somebody else was quicker, or renewed the last one meanwhile.

    Args:
        run: the run.
        after: the newest link, as it was judged.
        minutes: how far the lease and each renewal reach.
        purpose: what it is taken for.

    Raises:
        Unavailable: Prefect does not answer.
    """
    now = datetime.now(UTC)
    epoch = (after.epoch if after else 0) + 1
    lease = Lease(
        run_id=run.id,
        owner=uuid4().hex,
        host=platform.node(),
        taken=now,
        expires=now + timedelta(minutes=minutes),
        purpose=purpose,
    )
    with _asking("take the lease") as client:
        if after is not None and _read(client, run.environment_name, after.epoch) != after:
            return None
        try:
            client.create_variable(
                VariableCreate(name=variable_name(run.environment_name, epoch), value=lease.model_dump(mode="json"))
            )
        except ObjectAlreadyExists:
            return None
    held = Held(run.environment_name, epoch, lease, minutes)
    _HELD[run.id] = held
    return held


def require_lease(run: Run) -> None:
    """See that this process still holds the newest epoch, right before something is made.

    Raises:
        Refused: it never held one, or somebody else took the next epoch.
        Unavailable: Prefect does not answer, so nobody knows.
    """
    held = _HELD.get(run.id)
    if held is None:
        raise Refused(f"This process holds no lease of {run.environment_name}; start the run through its deployment.")
    if held.lost.is_set() or not _is_newest(held):
        held.lost.set()
        raise Refused(
            f"The lease {held.epoch} of {run.environment_name} was taken over: the run is being taken down elsewhere, "
            "so nothing more is made. Start a new run."
        )


def keep(run: Run, until: datetime) -> None:
    """Keep a failed run's infrastructure until a moment, whether its process lives or not."""
    held = _HELD[run.id]
    with held.writing:
        held.lease = held.lease.model_copy(update={"expires": until, "purpose": "kept"})
        _write(held)


def end_keeping(run: Run) -> None:
    """Go on as a run whose process works: the lease is renewed again, and a crash lets it go stale at once."""
    held = _HELD[run.id]
    with held.writing:
        until = datetime.now(UTC) + timedelta(minutes=held.minutes)
        held.lease = held.lease.model_copy(update={"expires": until, "purpose": "run"})
        try:
            _write(held)
        except Unavailable as error:
            _logger.warning("The lease still says kept: %s The next renewal says that it is not.", error)


def release(run: Run) -> None:
    """Say that a clean sweep was confirmed, and forget the older links.

    Raises:
        Unavailable: Prefect does not answer.
    """
    held = _HELD.get(run.id)
    if held is None:
        return
    with held.writing:
        held.ended = True
        held.lease = held.lease.model_copy(update={"released": datetime.now(UTC)})
        _write(held)
    del _HELD[run.id]
    with _asking("forget the older leases") as client:
        prefix = variable_name(held.environment, 0).removesuffix("0")
        for name in _variables(client, prefix):
            if name.removeprefix(prefix).isdigit() and int(name.removeprefix(prefix)) < held.epoch:
                _forget(client, name)


def give_up(run: Run, leftover: tuple[str, ...]) -> None:
    """Say what a teardown could not remove, and let the lease expire now: the janitor tries again.

    Raises:
        Unavailable: Prefect does not answer.
    """
    held = _HELD.pop(run.id, None)
    if held is None:
        return
    with held.writing:
        held.ended = True
        expired = held.lease.model_copy(update={"expires": datetime.now(UTC), "leftover": ()})
        held.lease = with_leftover(expired, leftover, MAX_VARIABLE_VALUE_LENGTH)
        _write(held)


@contextmanager
def renewing(held: Held) -> Iterator[None]:
    """Renew a lease while the body works; find out when it is lost."""
    done = threading.Event()

    def work() -> None:
        while not done.wait(_RENEW_S):
            try:
                if not _is_newest(held):
                    held.lost.set()
                    return
                with held.writing:
                    if held.ended:
                        return
                    if held.lease.purpose != "kept":
                        until = datetime.now(UTC) + timedelta(minutes=held.minutes)
                        held.lease = held.lease.model_copy(update={"expires": until})
                        _write(held)
            except Unavailable as error:
                _logger.warning("The lease could not be renewed: %s It lasts until %s.", error, held.lease.expires)

    # A thread does not know Prefect's settings of its caller by itself.
    thread = threading.Thread(target=copy_context().run, args=(work,), name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _is_newest(held: Held) -> bool:
    link = newest(held.environment)
    return (
        link is not None
        and link.epoch == held.epoch
        and link.lease is not None
        and link.lease.owner == held.lease.owner
    )


def _write(held: Held) -> None:
    with _asking("write the lease") as client:
        client.update_variable(
            VariableUpdate(name=variable_name(held.environment, held.epoch), value=held.lease.model_dump(mode="json"))
        )


def _read(client: SyncPrefectClient, environment: str, epoch: int) -> Link | None:
    variable = client.read_variable_by_name(variable_name(environment, epoch))
    return read_link(epoch, variable.value) if variable else None


def _variables(client: SyncPrefectClient, prefix: str) -> dict[str, Any]:
    """Return every variable whose name begins so, page by page."""
    found: dict[str, Any] = {}
    while True:
        query = {"variables": {"name": {"like_": prefix}}, "limit": _PAGE, "offset": len(found)}
        page = client.request("POST", "/variables/filter", json=query).json()
        found.update({item["name"]: item["value"] for item in page})
        if len(page) < _PAGE:
            return {name: value for name, value in found.items() if name.startswith(prefix)}


def _forget(client: SyncPrefectClient, name: str) -> None:
    try:
        client.delete_variable_by_name(name)
    except ObjectNotFound:
        _logger.info("The older lease %s is gone already.", name)


def _run_state(client: SyncPrefectClient, run_id: str) -> RunState:
    try:
        state = client.read_flow_run(UUID(run_id)).state
    except (ObjectNotFound, ValueError):
        return "ended"
    if state is None:
        return "alive"
    # A worker carries a cancel out within half a minute; where there is none, nobody will.
    forgotten = state.is_cancelling() and datetime.now(UTC) - state.timestamp > _CANCEL_FORGOTTEN
    return "ended" if state.is_final() or forgotten else "alive"


@contextmanager
def _asking(what: str) -> Iterator[SyncPrefectClient]:
    try:
        with get_client(sync_client=True) as client:
            yield client
    except PREFECT_SILENT as error:
        raise Unavailable(
            f"Prefect did not answer when Rampart wanted to {what} ({type(error).__name__}); see whether its server runs."
        ) from error
