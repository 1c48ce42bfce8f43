"""The run a phase belongs to: its blocks, its folder, its journal."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from prefect.blocks.core import Block
from pydantic import ValidationError

from blocks.load_profile import LoadProfile
from blocks.models.errors import Refused
from blocks.models.record import Record
from blocks.perf_environment import PerfEnvironment
from tasks.clients.journal import Journal
from tasks.rules.record import fold
from tasks.rules.refusals import sentence_of

B = TypeVar("B", PerfEnvironment, LoadProfile)


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
    """Load the blocks and make the run's folder.

    Raises:
        Refused: a block does not exist, or one of its paths cannot be used.
    """
    loaded_environment = _load(PerfEnvironment, environment)
    loaded_profile = _load(LoadProfile, profile)
    if not loaded_environment.runs_folder.is_absolute():
        raise Refused(f"runs_folder is '{loaded_environment.runs_folder}'; wanted is an absolute path.")
    run = Run(run_id, environment, profile, loaded_environment, loaded_profile)
    run.evidence.mkdir(parents=True, exist_ok=True)
    return run


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
