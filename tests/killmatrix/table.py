"""The measured cells as the table of docs/operations.md: ``python -m tests.killmatrix.table < runs/killmatrix.json``."""

from __future__ import annotations

import json
import sys
from typing import Any

from tests.killmatrix.cells import MOMENTS, Way

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
    """Return the cells as Markdown, in the order in which they were measured."""
    lines = ["| way | moment | seconds to teardown | seconds to clean | left | commit |", "|---|---|---|---|---|---|"]
    for cell in cells:
        teardown = cell.get("seconds_to_teardown")
        began = "–" if teardown is None else f"{teardown:.0f}"
        left = ", ".join(map(str, cell["leftovers"])) or "0"
        lines.append(
            f"| {WAYS[cell['way']]} | {MOMENTS[cell['moment']]} | {began} | {cell['seconds_to_clean']:.0f} | {left} | {cell['commit']} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table of what is read."""
    sys.stdout.write(table(json.load(sys.stdin)["cells"]) + "\n")


if __name__ == "__main__":
    main()
