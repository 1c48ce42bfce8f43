"""The kill matrix as data: every way to die at every moment it can happen, and the short form that CI runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Moment = Literal[
    "plan",
    "apply",
    "instance",
    "late-apply",
    "provisioning",
    "smoke",
    "held-stage",
    "pause",
    "triage",
    "evidence",
    "destroy",
]
Way = Literal[
    "cancel",
    "ctrl-c",
    "ctrl-c-twice",
    "sigterm",
    "kill-flow",
    "kill-worker",
    "kill-both",
    "kill-prefect",
    "kill-terraform",
    "kill-k6",
    "kill-sshd",
    "approval-timeout",
    "disk-full",
    "expired-credentials",
    "aws-errors",
    "prometheus-down",
    "no-route",
]

MOMENTS: dict[Moment, str] = {
    "plan": "Terraform plans",
    "apply": "the first resources are being made",
    "instance": "an instance is being made",
    "late-apply": "most resources are made",
    "provisioning": "the outputs are known, images are built",
    "smoke": "k6 runs the smoke test",
    "held-stage": "stage 1 is held and judged",
    "pause": "stage 1 is held and a person is asked",
    "triage": "a breach was triaged and a person is asked",
    "evidence": "evidence is collected",
    "destroy": "Terraform destroys",
}


@dataclass(frozen=True)
class Cell:
    """One way to die at one moment."""

    way: Way
    moment: Moment

    def __str__(self) -> str:
        return f"{self.way}-at-{self.moment}"

    @property
    def repeats(self) -> int:
        """Cells in which Terraform or two processes die are tried three times: they depend on the instant."""
        return 3 if self.way in {"kill-terraform", "kill-both"} else 1


_EARLY: tuple[Moment, ...] = ("plan", "apply", "instance", "late-apply", "provisioning")
_LOAD: tuple[Moment, ...] = ("smoke", "held-stage", "pause", "triage")
_ENDS: tuple[Moment, ...] = ("evidence", "destroy")

_WHEN: tuple[tuple[Way, tuple[Moment, ...]], ...] = (
    ("cancel", (*_EARLY, *_LOAD, *_ENDS)),
    ("ctrl-c", ("apply", "instance", "provisioning", "held-stage", "destroy")),
    ("ctrl-c-twice", ("apply", "held-stage", "destroy")),
    ("sigterm", ("plan", "instance", "smoke", "pause", "destroy")),
    ("kill-flow", (*_EARLY, *_LOAD, *_ENDS)),
    ("kill-worker", ("instance", "held-stage", "pause", "destroy")),
    ("kill-both", (*_EARLY, "smoke", "held-stage", "pause", *_ENDS)),
    ("kill-prefect", ("apply", "provisioning", "held-stage", "pause", "destroy")),
    ("kill-terraform", ("plan", "apply", "instance", "late-apply", "destroy")),
    ("kill-k6", ("smoke", "held-stage")),
    ("kill-sshd", ("provisioning", "held-stage", "evidence")),
    ("approval-timeout", ("pause", "triage")),
    ("disk-full", ("held-stage", "evidence")),
    ("expired-credentials", ("provisioning", "destroy")),
    ("aws-errors", ("plan", "instance", "destroy")),
    ("prometheus-down", ("smoke", "held-stage")),
    ("no-route", ("provisioning", "pause")),
)  # fmt: skip

MATRIX: tuple[Cell, ...] = tuple(Cell(way, moment) for way, moments in _WHEN for moment in moments)

# CI's part: each way that ends a process of ours at least once, and every moment but a held stage and triage.
SHORT: tuple[Cell, ...] = (
    Cell("sigterm", "plan"),
    Cell("ctrl-c-twice", "apply"),
    Cell("kill-flow", "instance"),
    Cell("kill-worker", "instance"),
    Cell("kill-terraform", "late-apply"),
    Cell("cancel", "late-apply"),
    Cell("kill-both", "provisioning"),
    Cell("ctrl-c", "provisioning"),
    Cell("kill-k6", "smoke"),
    Cell("approval-timeout", "pause"),
    Cell("kill-flow", "evidence"),
    Cell("kill-flow", "destroy"),
)
