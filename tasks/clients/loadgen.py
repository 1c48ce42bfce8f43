"""A load generator: k6 processes that run detached on a host and are stopped together."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blocks.models.errors import Failed, Refused, Unavailable
from tasks.clients.hosts import Host

_JOB_SCRIPT = Path(__file__).parent.parent / "templates" / "job.sh"
# A k6 whose lease nobody renewed for this long stops itself: longer than a restart of the worker.
LEASE_S = 120
# Folders of the checkout that no script imports from.
_SKIPPED = {"node_modules", "results", ".git"}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


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
        self._jobs = f"{self.folder}/jobs"
        self._script = f"{self.folder}/job.sh"

    def install(self, k6_binary: Path, tests: Path) -> int:
        """Copy k6 and the tests folder of the checkout there; return the number of files copied.

        What is there already with the same content is not copied again.
        """
        self.host.must(["mkdir", "-p", f"{self.folder}/bin", self._jobs])
        files = [(k6_binary, self.k6, 0o700), (_JOB_SCRIPT, self._script, 0o700)]
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

    def start(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], lease_s: int = LEASE_S
    ) -> None:
        """Start a detached k6; when this returns it runs, or has ended already.

        The environment goes over standard input into a file of this login alone, which is deleted when k6 has read
        it: a list of processes shows none of it.

        Args:
            name: the job's name, also its folder's.
            arguments: k6's arguments after ``run``; relative paths begin in the login's home.
            environment: k6's settings and the script's variables.
            lease_s: k6 is interrupted when nobody asked for the jobs for this many seconds.

        Raises:
            Refused: a variable's name cannot be one.
            Failed: the host could not start it.
        """
        command = ["sh", self._script, "start", f"{self._jobs}/{name}", str(lease_s), self.k6, "run", *arguments]
        completed = self.host.run(command, stdin=_exports(environment))
        if completed.code != 0:
            raise Failed(f"k6 {name} could not be started on {self.host.address}: {completed.last_line}")

    def jobs(self) -> tuple[Job, ...]:
        """Return every job of the run on this host and renew the lease: one round trip.

        Raises:
            Unavailable: the host does not answer, or does not say what runs on it.
        """
        found: list[Job] = []
        for row in self._ask("list", self._jobs).splitlines():
            name, state, code = row.split()
            found.append(Job(name=name, alive=state == "alive", exit_code=int(code) if state == "ended" else None))
        return tuple(found)

    def interrupt(self, name: str = "") -> None:
        """Send SIGINT to a job, or to every job of the run, once; k6 then writes its summary and ends.

        Raises:
            Unavailable: the host does not answer, or could not send it.
        """
        self._ask("interrupt", self._jobs, *([name] if name else []))

    def log_tail(self, name: str) -> str:
        """Return the last lines a job said."""
        return self.host.run(["tail", "-n", "20", f"{self._jobs}/{name}/log"]).stdout

    def result_files(self) -> dict[str, str]:
        """Return the result files of all jobs with their SHA-256."""
        listed = self.host.run_line(
            f"cd {shlex.quote(self._jobs)} 2>/dev/null && "
            "find . -type f \\( -name '*.json' -o -name '*.csv.gz' -o -name log \\) -exec sha256sum {} +"
        )
        return {
            row.split(maxsplit=1)[1].removeprefix("./"): row.split(maxsplit=1)[0] for row in listed.stdout.splitlines()
        }

    def fetch(self, relative: str, local: Path) -> None:
        """Copy a result file from the host."""
        self.host.get(f"{self._jobs}/{relative}", local)

    def remove(self) -> None:
        """Delete the run's folder on the host."""
        self.host.run(["rm", "-rf", self.folder])

    def _ask(self, *arguments: str) -> str:
        """Run the script of the jobs; before it was installed there are none."""
        script = shlex.quote(self._script)
        completed = self.host.run_line(f"test ! -e {script} || sh {script} {shlex.join(arguments)}")
        if completed.code != 0:
            raise Unavailable(
                f"{self.host.address} did not {arguments[0]} its k6 jobs ({completed.last_line}); look at {self._jobs} there."
            )
        return completed.stdout

    def _hashes(self, files: Sequence[str]) -> dict[str, str]:
        listed = self.host.run(["sha256sum", "--", *files]).stdout
        return {row.split(maxsplit=1)[1]: row.split(maxsplit=1)[0] for row in listed.splitlines() if row}


def _exports(environment: Mapping[str, str]) -> str:
    """Write an environment as lines a shell reads."""
    for name in environment:
        if not _VARIABLE.fullmatch(name):
            raise Refused(f"'{name}' cannot be an environment variable; wanted are letters, digits and _: rename it.")
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(environment.items()))
