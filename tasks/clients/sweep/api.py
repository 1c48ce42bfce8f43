"""AWS as the sweep asks it: for one run, patient with throttling and server errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from blocks.models.errors import Failed, RampartError, Unavailable
from tasks.clients.account import EXPIRED, UNKNOWN, Account, sentences
from tasks.clients.sweep.resources import TAG, Resource, State

T = TypeVar("T")
R = TypeVar("R")

# Boto itself tries five times within some seconds; these come on top.
_PAUSES_S = (2.0, 5.0, 10.0, 20.0)
_THROTTLED = {
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "RequestThrottled",
    "RequestThrottledException",
    "EC2ThrottledException",
    "SlowDown",
    "PriorRequestNotComplete",
}
_SERVER_ERROR = 500
_FORBIDDEN = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "OperationNotPermitted"}
# What the services whose tags are asked for one by one answer of a thing that they do not know.
_GONE = {
    "NoSuchEntity",
    "RepositoryNotFoundException",
    "ResourceNotFoundException",
    "LoadBalancerNotFound",
    "TargetGroupNotFound",
}
# Listing tags one by one, as IAM, ECR and CloudWatch Logs want it.
_AT_ONCE = 8


class Blocked(Failed):
    """It will not go by trying again: somebody else's thing is in the way, or the credentials do not do."""


class Gone(Failed):
    """The thing that was asked about is not there, or not any more."""


class Api:
    """The account, for one run.

    Args:
        account: the account.
        run_id: the run whose things are looked for.
    """

    def __init__(self, account: Account, run_id: str) -> None:
        self.account = account
        self.run_id = run_id
        self._clients: dict[str, Any] = {}

    def call(self, service: str, operation: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - boto's own
        """Call an operation.

        Raises:
            Blocked: it is not allowed.
            Gone: there is no such thing.
            Failed: AWS refused it.
            Unavailable: AWS did not answer.
        """
        method = getattr(self._client(service), operation)
        answer: dict[str, Any] = self._patiently(f"{service}:{operation}", lambda: method(**arguments))
        return answer

    def every(self, service: str, operation: str, collection: str, **arguments: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - boto's own
        """Return the items of all pages of an operation; raises as ``call`` does."""
        client = self._client(service)
        if not client.can_paginate(operation):
            found: list[dict[str, Any]] = self.call(service, operation, **arguments)[collection]
            return found
        paginator = client.get_paginator(operation)
        return self._patiently(
            f"{service}:{operation}",
            lambda: [item for page in paginator.paginate(**arguments) for item in page[collection]],
        )

    def tagged(
        self,
        items: Iterable[T],
        tags_of: Callable[[T], Sequence[Mapping[str, str]] | Mapping[str, str]],
    ) -> list[tuple[T, str]]:
        """Return the items that carry the run's tag, each with its tag Name, reading tags several at once.

        What has vanished since it was listed, as things of other people do, carries none.
        """

        def read(item: T) -> Mapping[str, str]:
            try:
                return as_mapping(tags_of(item))
            except Gone:
                return {}

        listed = list(items)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            tags = list(pool.map(read, listed))
        return [
            (item, found.get("Name", ""))
            for item, found in zip(listed, tags, strict=True)
            if found.get(TAG) == self.run_id
        ]

    def owns(self, tags: Sequence[Mapping[str, str]]) -> bool:
        """Whether tags are this run's; AWS's filters take wildcards, this does not."""
        return as_mapping(tags).get(TAG) == self.run_id

    def _client(self, service: str) -> Any:  # noqa: ANN401 - boto's clients have no common type
        if service not in self._clients:
            self._clients[service] = self.account.client(service)
        return self._clients[service]

    def _patiently(self, call: str, ask: Callable[[], R]) -> R:
        for pause in (*_PAUSES_S, None):
            try:
                with sentences(call):
                    return ask()
            except RampartError as error:
                if pause is None or not _passes(error):
                    if _code(error) in _FORBIDDEN | EXPIRED | UNKNOWN:
                        raise Blocked(str(error)) from error
                    if _code(error) in _GONE:
                        raise Gone(str(error)) from error
                    raise
                time.sleep(pause)
        raise AssertionError(call)


@dataclass(frozen=True)
class Kind:
    """One kind of thing: how it is found, how it is deleted.

    Attributes:
        name: its name.
        find: returns the run's own with their state, by the kind's own service; what is gone is not among them.
        delete: asks for the deletion of one.
        by_hand: the command that deletes one, with ``{id}``, ``{name}`` and ``{region}``.
        arns: how its ARNs go on after ``arn:partition:``, without region and account: ``ec2:vpc/``.
        loosen: called for each of the kind before any of them is deleted.
    """

    name: str
    find: Callable[[Api], dict[Resource, State]]
    delete: Callable[[Api, Resource], None]
    by_hand: str
    arns: tuple[str, ...]
    loosen: Callable[[Api, Resource], None] | None = None


def as_mapping(tags: Sequence[Mapping[str, str]] | Mapping[str, str]) -> Mapping[str, str]:
    """Return tags by name, from either of the two forms that AWS has for them."""
    return tags if isinstance(tags, Mapping) else {tag["Key"]: tag["Value"] for tag in tags}


def _passes(error: RampartError) -> bool:
    """Whether an error passes by itself."""
    if isinstance(error, Unavailable):
        return True
    cause = error.__cause__
    if not isinstance(cause, ClientError):
        return False
    status = int(cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return _code(error) in _THROTTLED or status >= _SERVER_ERROR


def _code(error: RampartError) -> str:
    cause = error.__cause__
    return str(cause.response.get("Error", {}).get("Code", "")) if isinstance(cause, ClientError) else ""
