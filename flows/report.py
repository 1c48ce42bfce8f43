"""Report: the record and the evidence as pages for people. Can be rendered again from them alone.

As a command: ``python -m flows.report RUN_DIR``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from blocks.models.errors import RampartError
from flows.phase import in_a_sentence, phase_of
from tasks.report import render_again, render_run, write_report
from tasks.run import Run, open_known_run
from tasks.store import store_report
from tasks.unfinished import is_closed


@flow(name="report", flow_run_name="report of {environment}")
def report(
    run_id: Annotated[
        str,
        Field(min_length=36, max_length=36),
    ],
    environment: Annotated[str, Field(min_length=1)] = "perf",
    profile: Annotated[str, Field(min_length=1)] = "stepped-ramp",
) -> State[Any]:
    """Fill the team's report, write record.json and the manifest, render report.md and report.html.

    A run that was reported on since its last teardown is rendered again from its journal and evidence, without a new line in the journal.

    Args:
        run_id: The run to report on: the flow-run id of its performance-run.
        environment: Perf Environment block of the run.
        profile: Load Profile block of the run.
    """
    return in_a_sentence(lambda: _report(open_known_run(run_id, environment, profile)))


def _report(run: Run) -> State[Any]:
    if is_closed(run.journal.read()[0]):
        return Completed(message=f"rendered again: {render_again(run)}")
    with phase_of(run, "report") as opened:
        write_report(run)
        store_report(run)
    return opened.outcome


def main(arguments: list[str]) -> int:
    """Render a run's report again; exit code 0 when it was rendered, 2 for bad input."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m flows.report RUN_DIR\n")
        return 2
    try:
        page = render_run(Path(arguments[0]))
    except RampartError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{page}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
