"""The run a phase belongs to: its blocks, its folder, its journal."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import httpx
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound, PrefectException
from pydantic import ValidationError

from blocks.load_profile import LoadProfile
from blocks.models.errors import Refused, Unavailable
from blocks.models.record import Record
from blocks.perf_environment import PerfEnvironment
from tasks.clients.journal import Journal
from tasks.rules.record import fold
from tasks.rules.refusals import sentence_of

PREFECT_SILENT = (PrefectException, httpx.HTTPError)
"""What Prefect's client raises when the server does not answer, or says no."""

B = TypeVar("B", PerfEnvironment, LoadProfile)

_logger = logging.getLogger("rampart")
# The blocks this process loaded last: a teardown goes on with them while Prefect does not answer.
_LOADED: dict[tuple[str, str], tuple[PerfEnvironment, LoadProfile]] = {}
# Kept free on the disk from the start and given back when the teardown begins: Terraform's log and the report have to be
# written also when evidence filled the disk, and are well below it. The journal, which comes first, has a reserve of its own.
_RESERVE_BYTES = 16 * 2**20
_SECRET_FREE: dict[str, Any] = {
    "aws_access_key_id": None, "aws_secret_access_key": None, "aws_session_token": None, "grafana_token": "",
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One execution of the checklist, as every phase sees it."""

    id: str
    environment_name: str
    profile_name: str
    environment: PerfEnvironment
    profile: LoadProfile

    @property
    def folder(self) -> Path:
        """Where everything of the run is kept."""
        return self.environment.runs_folder / self.id

    @property
    def evidence(self) -> Path:
        """Where evidence is kept; a record names its files relative to the run's folder."""
        return self.folder / "evidence"

    @property
    def journal(self) -> Journal:
        """The run's journal."""
        return Journal(self.folder / "journal.jsonl")

    @property
    def tags(self) -> dict[str, str]:
        """The tags of everything the run creates; constant per run."""
        return {"rampart_run_id": self.id, "rampart_environment": self.environment_name}

    def record(self) -> Record:
        """Fold the journal as it is now."""
        events, unreadable = self.journal.read()
        return fold(events, unreadable)

    def outputs(self) -> dict[str, Any]:
        """Return Terraform's outputs that are not sensitive; empty before they are known."""
        file = self.folder / "outputs.json"
        if not file.exists():
            return {}
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    def relative(self, file: Path) -> str:
        """Name a file of the run as the record does."""
        return str(file.relative_to(self.folder))


def open_run(run_id: str, environment: str, profile: str) -> Run:
    """Load the blocks and make the run's folder; while Prefect is silent, with the blocks as they were loaded last.

    Raises:
        Refused: a block does not exist, or one of its paths cannot be used.
        Unavailable: Prefect does not answer and the blocks were never loaded.
    """
    run = _with_blocks(run_id, environment, profile)
    run.evidence.mkdir(parents=True, exist_ok=True)
    return run


def open_known_run(run_id: str, environment: str, profile: str) -> Run:
    """Open a run that has begun; for an id that is not a run's, nothing is made.

    Raises:
        Refused: there is no such run, a block does not exist, or one of its paths cannot be used.
        Unavailable: Prefect does not answer and the blocks were never loaded.
    """
    run = _with_blocks(run_id, environment, profile)
    if not run.journal.path.is_file():
        raise Refused(
            f"{run.environment.runs_folder} has no run {run_id}; wanted is the flow-run id of a performance-run of the "
            f"environment {environment}."
        )
    return run


def _with_blocks(run_id: str, environment: str, profile: str) -> Run:
    try:
        loaded = _load(PerfEnvironment, environment), _load(LoadProfile, profile)
        _LOADED[environment, profile] = loaded
    except PREFECT_SILENT as error:
        if (environment, profile) not in _LOADED:
            raise Unavailable(
                f"Prefect did not answer ({type(error).__name__}), so the blocks {environment} and {profile} are not known; "
                "see whether its server runs."
            ) from error
        _logger.warning("Prefect does not answer; the blocks are used as they were loaded last.")
        loaded = _LOADED[environment, profile]
    if not loaded[0].runs_folder.is_absolute():
        raise Refused(f"runs_folder is '{loaded[0].runs_folder}'; wanted is an absolute path.")
    return _where_it_was_planned(Run(run_id, environment, profile, *loaded))


def _where_it_was_planned(run: Run) -> Run:
    """Return the run with the account, region and module of its plan, whatever its block says by now.

    Before there is a plan nothing is made, and a block that was wrong may be put right. A checkout that was moved since
    is where the block says now. Credentials are always the block's: they are renewed.
    """
    if not any(event.kind == "terraform" for event in run.journal.read()[0]):
        return run
    try:
        planned = reopen_run(run.folder).environment
    except Refused as refusal:
        _logger.warning("%s The block is used as it is now.", refusal)
        return run
    kept: dict[str, Any] = {"region": planned.region, "account_id": planned.account_id}
    if (planned.checkout / planned.terraform_directory).is_dir():
        kept |= {"checkout": planned.checkout, "terraform_directory": planned.terraform_directory}
    return replace(run, environment=run.environment.model_copy(update=kept))


def load_environment(name: str) -> PerfEnvironment:
    """Load an environment's block.

    Raises:
        Refused: it does not exist, or cannot be used.
    """
    return _load(PerfEnvironment, name)


def find_run(run_id: str, environment: str, profile: str) -> Run:
    """Open a run by its id; blocks that are not named are those it was started with.

    Raises:
        Refused: Prefect does not know the run, so its blocks have to be named.
        Unavailable: Prefect does not answer.
    """
    if not (environment and profile):
        try:
            with get_client(sync_client=True) as client:
                parameters = client.read_flow_run(UUID(run_id)).parameters
        except (ObjectNotFound, ValueError) as error:
            raise Refused(
                f"Prefect knows no run {run_id!r}; give the id of a performance-run, or its environment and profile too."
            ) from error
        except PREFECT_SILENT as error:
            raise Unavailable(
                f"Prefect did not answer ({type(error).__name__}); see whether its server runs."
            ) from error
        environment = environment or str(parameters.get("environment", ""))
        profile = profile or str(parameters.get("profile", ""))
    if not (environment and profile):
        raise Refused(f"Run {run_id} was started without an environment or profile in its form; name both.")
    return open_run(run_id, environment, profile)


def open_dead_run(run_id: str, environment: str, profile: str) -> Run:
    """Open a run that somebody else ends; a profile that is gone meanwhile does not keep its infrastructure alive.

    Raises:
        Refused: the environment's block does not exist, or cannot be used.
        Unavailable: Prefect does not answer.
    """
    try:
        return open_run(run_id, environment, profile)
    except Refused:
        run = _where_it_was_planned(Run(run_id, environment, profile, load_environment(environment), LoadProfile()))
        run.evidence.mkdir(parents=True, exist_ok=True)
        return run


def lay_out(run: Run) -> None:
    """Prepare a new run's folder: what a teardown needs when Prefect or the disk's room is gone."""
    environment = _without_secrets(run.environment.model_dump(mode="json"))
    profile = {**run.profile.model_dump(mode="json"), "script_secrets": {}}
    blocks = {
        "environment_name": run.environment_name, "profile_name": run.profile_name,
        "environment": environment, "profile": profile,
    }  # fmt: skip
    (run.folder / "blocks.json").write_text(json.dumps(blocks, indent=1, sort_keys=True))
    run.journal.reserve()
    (run.folder / "reserve").write_bytes(bytes(_RESERVE_BYTES))


def _without_secrets(value: Any) -> Any:  # noqa: ANN401 - JSON values
    if not isinstance(value, dict):
        return value
    return {key: _SECRET_FREE[key] if key in _SECRET_FREE else _without_secrets(item) for key, item in value.items()}


def give_back_reserve(run: Run) -> None:
    """Free the room that was kept for the ending."""
    (run.folder / "reserve").unlink(missing_ok=True)


def reopen_run(folder: Path) -> Run:
    """Open a run by its folder alone, without Prefect; credentials come from the environment, as boto finds them.

    Raises:
        Refused: the folder is not that of a run.
    """
    file = folder / "blocks.json"
    if not file.is_file():
        raise Refused(f"{folder} holds no blocks.json; wanted is the folder of a run, such as runs/latest.")
    try:
        kept = json.loads(file.read_text())
        environment, profile = PerfEnvironment(**kept["environment"]), LoadProfile(**kept["profile"])
        return Run(folder.resolve().name, kept["environment_name"], kept["profile_name"], environment, profile)
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(f"{file} cannot be read ({type(error).__name__}); give the run's blocks back by hand.") from error


def _load(kind: type[B], name: str) -> B:
    try:
        block = Block.load(f"{kind.get_block_type_slug()}/{name}")
    except (RuntimeError, ValueError) as error:
        # Prefect wraps what pydantic refuses in a RuntimeError.
        refused = error if isinstance(error, ValidationError) else error.__cause__
        if isinstance(refused, ValidationError):
            raise Refused(
                f"The {kind.__name__} block '{name}' cannot be used: {sentence_of(refused)} Change it in the Prefect UI."
            ) from error
        if isinstance(error, RuntimeError):
            raise
        raise Refused(
            f"There is no {kind.__name__} block named '{name}'; create it under Blocks in the Prefect UI, "
            "or choose one that exists."
        ) from error
    assert isinstance(block, kind)
    return block
