"""What a teardown says of the image registries, from what the sweep saw."""

from __future__ import annotations

import pytest

from tasks.clients.sweep.resources import Outcome, Resource, Swept
from tasks.teardown import _deleted_registries as deleted_registries


def swept(kind: str, id_: str, outcome: Outcome) -> Swept:
    return Swept(Resource(kind, id_), outcome)


@pytest.mark.parametrize(
    ("seen", "deleted"),
    [
        # Terraform deleted them all, or the sweep did.
        ((), ["bet", "core"]),
        ((swept("image repository", "core", Outcome.DELETED),), ["bet", "core"]),
        ((swept("image repository", "core", Outcome.LEFT), swept("vpc", "bet", Outcome.LEFT)), ["bet"]),
        ((swept("image repository", "?", Outcome.UNSEEN),), []),
        ((swept("IAM role", "?", Outcome.UNSEEN),), ["bet", "core"]),
        (None, []),
    ],
)
def test_a_repository_is_deleted_only_when_it_was_looked_for_again(
    seen: tuple[Swept, ...] | None, deleted: list[str]
) -> None:
    assert deleted_registries(["core", "bet"], seen) == deleted
