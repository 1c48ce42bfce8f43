"""Teardown: nothing of the run is left in the account. Can be started again, several at once, and by hand.

As a command, without Prefect: ``python -m flows.teardown RUN_DIR``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Annotated, Any, Literal

from prefect import flow, runtime
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from blocks.models.errors import RampartError
from blocks.models.event import opening
from blocks.models.verdict import Verdict
from flows.approvals import ask_whether_to_keep
from flows.phase import in_a_sentence, phase_of
from tasks.ending import deaf_to_interrupts, end_keep, ending, teardowns
from tasks.load import stop_all_load
from tasks.log import run_logger
from tasks.run import Run, find_run, reopen_run
from tasks.teardown import list_left, release_forgotten, tear_down
from tasks.unfinished import drop_half_written, finished, is_closed

# Evidence has its own time limit, so that it never keeps a bill running. A 10,000-user ramp's samples are fetched in less.
_EVIDENCE_S = 600.0


@flow(name="teardown", flow_run_name="teardown of {run_id}")
def teardown(
    run_id: Annotated[str, Field(min_length=36, max_length=36)],
    environment: str = "",
    profile: str = "",
    dry_run: bool = False,
) -> State[Any]:
    """Stop every k6 of the run, destroy its infrastructure, and look for what is left by tag.

    Started by hand it means now, whatever the run does; it also collects the evidence first, when nobody did, and
    renders the report afterwards.

    Args:
        run_id: The run to take down: the flow-run id of its performance-run.
        environment: Perf Environment block of the run; empty = as the run was started.
        profile: Load Profile block of the run; empty = as the run was started.
        dry_run: Only list what would be taken down.
    """

    def work() -> State[Any]:
        run = find_run(run_id, environment, profile)
        return _listed(run) if dry_run else _take_down(run)

    return in_a_sentence(work)


def _take_down(run: Run) -> State[Any]:
    """Take a run down as its own last phase; started alone, also collect before and report afterwards."""
    alone = str(runtime.flow_run.parent_flow_run_id) != run.id
    by = f"teardown {runtime.flow_run.id}"
    with ending(run, meanwhile=lambda: end_keep(run, by)) as finished_elsewhere:
        if finished_elsewhere:
            return _outcome(run)
        if alone:
            _collect_first(run)
        with phase_of(run, "teardown") as opened:
            if not alone and (minutes := _keep_minutes(run)):
                ask_whether_to_keep(run, minutes)
            tear_down(run)
        if alone:
            _report(run)
        return opened.outcome


def _keep_minutes(run: Run) -> int:
    """Return for how long what a failed run made is kept, as its form says."""
    opened = opening(run.journal.read()[0])
    return int(opened.data.get("options", {}).get("keep_on_failure_minutes", 0)) if opened else 0


def end_run(run: Run) -> None:
    """Collect, tear down and report, whatever happens meanwhile; the run's own process calls it."""
    with deaf_to_interrupts(), ending(run) as finished_elsewhere:
        if finished_elsewhere:
            return
        _collect_first(run)
        # Imported while Terraform waits for AWS, so that the report does not wait for it.
        Thread(target=import_module, args=("flows.report",), daemon=True).start()
        _tear_down_somehow(run)
        _report(run)


def take_over(run: Run, why: str, by: Literal["hook", "janitor"]) -> None:
    """End a run whose own process cannot, unless somebody did meanwhile.

    Args:
        run: the run.
        why: what the journal is to say of it.
        by: who calls; the journal keeps it.
    """
    with ending(run) as finished_elsewhere:
        if finished_elsewhere:
            return
        if finished(run):
            release_forgotten(run)
            return
        run.journal.append("teardown", "note", text=why, taken_over=by)
        drop_half_written(run)
        _tear_down_somehow(run)
        if not is_closed(run.journal.read()[0]):
            _report(run)


def _tear_down_somehow(run: Run) -> None:
    """Tear down in a flow where Prefect answers, so that it has a page; else without it."""
    before = teardowns(run)
    try:
        teardown(run.id, run.environment_name, run.profile_name, return_state=True)
    except Exception:  # noqa: BLE001 - whatever Prefect cannot do, the teardown is done
        run_logger().warning("The teardown goes on without Prefect", exc_info=True)
    if teardowns(run) == before:
        with phase_of(run, "teardown"):
            tear_down(run)


def _collect_first(run: Run) -> None:
    """Stop the load, and save the evidence within its time limit, unless somebody did; it never keeps the teardown."""
    where = (run.id, run.environment_name, run.profile_name)
    try:
        stop_all_load(run)
    except Exception as error:  # noqa: BLE001 - what else there is of evidence is saved all the same
        _warn(run, "The load could not be confirmed to be off", error)
    try:
        # The browser and the readers of samples are imported when the load is off, not before.
        from flows.collect import collect  # noqa: PLC0415

        if not any(event.kind == "phase_ended" and event.phase == "collect" for event in run.journal.read()[0]):
            collect.with_options(timeout_seconds=_EVIDENCE_S)(*where, return_state=True)
    except Exception as error:  # noqa: BLE001 - evidence must not keep infrastructure alive
        _warn(run, "The evidence is not complete", error)


def _warn(run: Run, what: str, error: Exception) -> None:
    """Log and journal what the teardown goes on after; only what nobody foresaw has a traceback."""
    run_logger().warning("%s: %s", what, error, exc_info=not isinstance(error, RampartError))
    run.journal.append("collect", "note", text=f"{what}: {error}")


def _report(run: Run) -> None:
    """Report in a flow where Prefect answers and knows the run's blocks; else without it."""
    # Plots and statistics take seconds to import: here they delay a report, above they would delay the teardown.
    from flows.report import report  # noqa: PLC0415
    from tasks.report import write_report  # noqa: PLC0415

    try:
        report(run.id, run.environment_name, run.profile_name, return_state=True)
    except Exception:  # noqa: BLE001 - rendered without Prefect then
        run_logger().warning("The report is rendered without Prefect", exc_info=True)
    if not is_closed(run.journal.read()[0]):
        write_report(run)


def _listed(run: Run) -> State[Any]:
    left = list_left(run)
    text = "\n".join(["| kind | id |", "|---|---|", *(f"| {item.kind} | `{item.id}` |" for item in left)])
    create_markdown_artifact(text, key="left", description=f"What carries the tag of run {run.id}.")
    return Completed(message=f"{len(left)} things carry the run's tag; nothing was deleted")


def _outcome(run: Run) -> State[Any]:
    record = run.record()
    if record.teardown is not None and record.teardown.verdict is Verdict.PASS:
        return Completed(message="another process took everything down; nothing is left")
    return Failed(message=f"another process took the run down, and it did not pass: {record.reason}")


def main(arguments: list[str]) -> int:
    """Take a run down without Prefect; exit code 0 when nothing is left, 1 when something is, 2 for bad input."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m flows.teardown RUN_DIR\n")
        return 2
    by = "python -m flows.teardown"
    try:
        run = reopen_run(Path(arguments[0]))
        with deaf_to_interrupts(), ending(run, meanwhile=lambda: end_keep(run, by)) as finished_elsewhere:
            if finished_elsewhere:
                outcome = _outcome(run)
            else:
                with phase_of(run, "teardown") as opened:
                    tear_down(run)
                outcome = opened.outcome
            from tasks.report import render_again, write_report  # noqa: PLC0415 - after the teardown, as above

            page = render_again(run) if is_closed(run.journal.read()[0]) else write_report(run)
    except RampartError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{page}\n")
    return 0 if outcome.is_completed() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
