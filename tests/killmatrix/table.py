"""The measured cells as the table of docs/operations.md: ``python -m tests.killmatrix.table < runs/killmatrix.json``."""

from __future__ import annotations

import json
import sys
from typing import Any

from tests.killmatrix.cells import MOMENTS, Moment, Way

WAYS: dict[Way, str] = {
    "cancel": "cancel in the UI",
    "ctrl-c": "Ctrl-C",
    "ctrl-c-twice": "Ctrl-C twice",
    "sigterm": "SIGTERM of the flow",
    "kill-flow": "SIGKILL of the flow",
    "kill-worker": "SIGKILL of the worker",
    "kill-both": "SIGKILL of flow and worker",
    "kill-prefect": "Prefect's server dead for 60 s",
    "kill-terraform": "SIGKILL of Terraform",
    "kill-k6": "SIGKILL of k6",
    "kill-sshd": "SIGKILL of sshd",
    "approval-timeout": "nobody answers in time",
    "disk-full": "the disk is full",
    "expired-credentials": "AWS credentials expire",
    "aws-errors": "AWS answers errors for a minute",
    "prometheus-down": "Prometheus is down",
    "no-route": "no route to the load generator",
}


def table(cells: list[dict[str, Any]]) -> str:
    """Return the cells as Markdown, in the order in which they were first measured; a cell's repeats share a line."""
    repeats: dict[tuple[Way, Moment], list[dict[str, Any]]] = {}
    for cell in cells:
        repeats.setdefault((cell["way"], cell["moment"]), []).append(cell)
    lines = ["| way | moment | seconds to teardown | seconds to clean | left | commit |", "|---|---|---|---|---|---|"]
    for (way, moment), runs in repeats.items():
        columns = (
            WAYS[way],
            MOMENTS[moment],
            ", ".join(_seconds(run.get("seconds_to_teardown")) for run in runs),
            ", ".join(_seconds(run["seconds_to_clean"]) for run in runs),
            ", ".join(str(left) for run in runs for left in run["leftovers"]) or "0",
            ", ".join(dict.fromkeys(run["commit"] for run in runs)),
        )
        lines.append(f"| {' | '.join(columns)} |")
    return "\n".join(lines)


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def main() -> None:
    """Print the table of what is read."""
    sys.stdout.write(table(json.load(sys.stdin)["cells"]) + "\n")


if __name__ == "__main__":
    main()
