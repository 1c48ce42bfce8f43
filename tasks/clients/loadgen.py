"""A load generator: k6 processes that run detached on a host and are stopped together."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blocks.models.errors import Failed
from tasks.clients.hosts import Host

_DETACHED = Path(__file__).parent.parent / "templates" / "detached.sh"
# A k6 whose lease nobody renewed for this long stops itself: longer than a restart of the worker.
LEASE_S = 120
# Folders of the checkout that no script imports from.
_SKIPPED = {"node_modules", "results", ".git"}


@dataclass(frozen=True)
class Job:
    """A detached k6 process, as the host sees it."""

    name: str
    alive: bool
    exit_code: int | None


class LoadGenerator:
    """k6 on one host, in a folder of this run.

    Args:
        host: the host, open.
        folder: folder of the run on the host, absolute or in the login's home.
        number: 0 for the first load generator; hosts that share a home stay apart by it.
    """

    def __init__(self, host: Host, folder: str, number: int) -> None:
        self.host = host
        self.number = number
        self.folder = f"{folder}/loadgen-{number}"
        self.k6 = f"{self.folder}/bin/k6"

    def install(self, k6_binary: Path, tests: Path) -> int:
        """Copy k6 and the tests folder of the checkout there; return the number of files copied.

        What is there already with the same content is not copied again.
        """
        self.host.must(["mkdir", "-p", f"{self.folder}/bin", f"{self.folder}/jobs"])
        files = [(k6_binary, self.k6, 0o700), (_DETACHED, f"{self.folder}/detached.sh", 0o700)]
        files += [
            (path, f"{self.folder}/{tests.name}/{path.relative_to(tests)}", 0o600)
            for path in sorted(tests.rglob("*"))
            if path.is_file() and not _SKIPPED & set(path.relative_to(tests).parts)
        ]
        present = self._hashes([remote for _, remote, _ in files])
        missing = [item for item in files if present.get(item[1]) != hashlib.sha256(item[0].read_bytes()).hexdigest()]
        for local, remote, mode in missing:
            self.host.put(local, remote, mode)
        return len(missing)

    def start(self, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a detached k6.

        Args:
            name: the job's name, also its folder's.
            arguments: k6's arguments after ``run``; paths relative to the run's folder.
            environment: k6's settings.
        """
        command = [
            f"{self.folder}/detached.sh", f"{self.folder}/jobs/{name}", str(LEASE_S),
            "env", *(f"{key}={value}" for key, value in sorted(environment.items())),
            self.k6, "run", *arguments,
        ]  # fmt: skip
        completed = self.host.run(command)
        if completed.code != 0:
            raise Failed(f"k6 {name} could not be started on {self.host.address}: {completed.last_line}")

    def renew_lease(self) -> None:
        """Say that somebody still watches."""
        self.host.must(["touch", f"{self.folder}/jobs/lease"])

    def jobs(self) -> tuple[Job, ...]:
        """Return every job of the run on this host and renew the lease: one round trip."""
        line = (
            f"cd {shlex.quote(self.folder)}/jobs 2>/dev/null || exit 0; touch lease; "
            'for job in */; do job=${job%/}; if [ -e "$job/exit" ]; then echo "$job ended $(cat "$job/exit")"; '
            'elif [ -e "$job/pid" ] && kill -0 "$(cat "$job/pid")" 2>/dev/null; then echo "$job alive -"; '
            'elif [ -e "$job/pid" ]; then echo "$job lost -"; fi; done'
        )
        completed = self.host.run_line(line)
        found: list[Job] = []
        for row in completed.stdout.splitlines():
            name, state, code = row.split()
            found.append(Job(name=name, alive=state == "alive", exit_code=int(code) if state == "ended" else None))
        return tuple(found)

    def interrupt(self, name: str = "") -> None:
        """Send SIGINT to a job, or to every job of the run, once; k6 then writes its summary and ends."""
        chosen = shlex.quote(name) if name else "*"
        self.host.run_line(
            f"cd {shlex.quote(self.folder)}/jobs 2>/dev/null || exit 0; for file in {chosen}/pid; do "
            '[ -e "$file" ] && [ ! -e "${file%pid}exit" ] && [ ! -e "${file%pid}interrupted" ] && '
            'touch "${file%pid}interrupted" && kill -s INT -- "-$(cat "$file")" 2>/dev/null; done; exit 0'
        )

    def log_tail(self, name: str) -> str:
        """Return the last lines a job said."""
        return self.host.run(["tail", "-n", "20", f"{self.folder}/jobs/{name}/log"]).stdout

    def result_files(self) -> dict[str, str]:
        """Return the result files of all jobs with their SHA-256."""
        listed = self.host.run_line(
            f"cd {shlex.quote(self.folder)}/jobs 2>/dev/null && "
            "find . -type f \\( -name '*.json' -o -name '*.csv.gz' -o -name log \\) -exec sha256sum {} +"
        )
        return {
            row.split(maxsplit=1)[1].removeprefix("./"): row.split(maxsplit=1)[0] for row in listed.stdout.splitlines()
        }

    def fetch(self, relative: str, local: Path) -> None:
        """Copy a result file from the host."""
        self.host.get(f"{self.folder}/jobs/{relative}", local)

    def remove(self) -> None:
        """Delete the run's folder on the host."""
        self.host.run(["rm", "-rf", self.folder])

    def _hashes(self, files: Sequence[str]) -> dict[str, str]:
        listed = self.host.run(["sha256sum", "--", *files]).stdout
        return {row.split(maxsplit=1)[1]: row.split(maxsplit=1)[0] for row in listed.splitlines() if row}
