"""Commands and files on the SUT and the load generators, over SSH with verified host keys."""

from __future__ import annotations

import io
import shlex
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import paramiko
from fabric import Config, Connection
from fabric.runners import Remote
from invoke.exceptions import CommandTimedOut, ThreadException

from blocks.models.errors import Failed, Unavailable
from blocks.models.settings import SshAccess
from tasks.clients.processes import Completed

# Connecting, banner and authentication; a host that is up answers within a second (facts on SSH).
_CONNECT_S = 5
# A frozen peer is noticed after this long.
_CHANNEL_S = 30.0


class _WholeInput(Remote):  # type: ignore[misc] # Fabric has no types
    """Sends standard input at once; Fabric sends it byte by byte, a hundred a second."""

    def read_our_stdin(self, input_: io.StringIO) -> str:
        """Return all that is left; an empty text is the end."""
        return input_.read()

    def send_start_message(self, command: str) -> None:
        """Ask for the command to be started."""
        with _bounded(self.channel):
            super().send_start_message(command)


@contextmanager
def _bounded(channel: paramiko.Channel) -> Iterator[None]:
    """Close a channel whose peer does not answer a request in time; Paramiko itself waits for ever."""
    limit = threading.Timer(_CHANNEL_S, channel.close)
    limit.daemon = True
    limit.start()
    try:
        yield
    finally:
        limit.cancel()


class Host:
    """One host; opened before it is used, safe to share between threads afterwards.

    Args:
        address: its IP address or name.
        access: user, port, key and known hosts.
        known_hosts: known_hosts lines that were learnt through the AWS API, when no file is configured.
    """

    def __init__(self, address: str, access: SshAccess, known_hosts: str = "") -> None:
        self.address = address
        self._access = access
        config = Config(overrides={"load_ssh_configs": False, "runners": {"remote": _WholeInput}})
        self._connection = Connection(
            host=address,
            user=access.user,
            port=access.port,
            config=config,
            connect_timeout=_CONNECT_S,
            connect_kwargs={
                "key_filename": str(access.private_key.expanduser()),
                "look_for_keys": False,
                "allow_agent": False,
                "banner_timeout": _CONNECT_S,
                "auth_timeout": _CONNECT_S,
                # Fabric connects anew by itself: what is said here holds for each connection.
                "channel_timeout": _CHANNEL_S,
            },
        )
        client = self._connection.client
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        _load_keys(client, access.known_hosts, known_hosts, address, access.port)

    def open(self) -> None:
        """Connect.

        Raises:
            Failed: the host key or the login key was rejected.
            Unavailable: the host does not answer.
        """
        where = f"{self._access.user}@{self.address}:{self._access.port}"
        try:
            self._connection.open()
        except paramiko.BadHostKeyException as error:
            raise Failed(
                f"The host key of {where} is not the one that is known for it; somebody else may be answering: "
                "check the host and its line in known_hosts."
            ) from error
        except paramiko.AuthenticationException as error:
            raise Failed(
                f"{where} refused the key {self._access.private_key}; wanted is the key pair that Terraform was "
                "given: set ssh.private_key of the environment block."
            ) from error
        except paramiko.SSHException as error:
            if "not found in known_hosts" in str(error):
                raise Failed(
                    f"The host key of {where} is not known, and unknown hosts are rejected: add it to known_hosts."
                ) from error
            raise Unavailable(f"SSH to {where} failed: {_said(error)}.") from error
        except (OSError, EOFError, ValueError) as error:
            raise Unavailable(f"SSH to {where} failed: {error}; is the host up and the key file readable?") from error

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        cwd: str | None = None,
        environment: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
    ) -> Completed:
        """Run a command to its end and return what it left behind; a non-zero exit code is not an error here.

        The arguments are quoted here, once.

        Raises:
            Unavailable: the connection was lost or the command did not end in time.
        """
        line = shlex.join(argv)
        if environment:
            line = shlex.join(["env", *(f"{key}={value}" for key, value in environment.items())]) + " " + line
        if cwd:
            line = f"cd {shlex.quote(cwd)} && {line}"
        return self.run_line(line, stdin=stdin, timeout_s=timeout_s)

    def run_line(self, line: str, *, stdin: str | None = None, timeout_s: float = 60.0) -> Completed:
        """Run a line that is quoted already; for the few that need a shell."""
        source = io.StringIO(stdin) if stdin is not None else False
        too_long = Unavailable(f"'{line[:60]}' on {self.address} did not end within {timeout_s:g} s.")
        began = time.monotonic()
        try:
            result = self._connection.run(line, hide=True, warn=True, in_stream=source, timeout=timeout_s, pty=False)
        except CommandTimedOut as error:
            raise too_long from error
        except (OSError, EOFError, paramiko.SSHException, ThreadException) as error:
            raise Unavailable(f"The connection to {self.address} was lost: {_said(error)}.") from error
        if result.exited == -1:
            # Fabric says so too of a command it ended itself, when its timer's thread has not quite ended.
            if time.monotonic() - began >= timeout_s:
                raise too_long
            raise Unavailable(f"The connection to {self.address} was lost while '{line[:60]}' ran.")
        return Completed(result.exited, result.stdout, result.stderr)

    def must(self, argv: Sequence[str], **options: object) -> str:
        """Run a command that has to succeed and return its output.

        Raises:
            Failed: its exit code is not 0; says what it said last.
        """
        completed = self.run(argv, **options)  # type: ignore[arg-type]
        if completed.code != 0:
            raise Failed(
                f"'{shlex.join(argv)[:80]}' on {self.address} ended with {completed.code}: {completed.last_line}"
            )
        return completed.stdout

    def put(self, local: Path, remote: str, mode: int = 0o600) -> None:
        """Copy a file there: written beside its place first, then renamed.

        Raises:
            Unavailable: the connection was lost or stands still.
        """
        self.must(["mkdir", "-p", str(PurePosixPath(remote).parent)])
        part = f"{remote}.part"
        with self._writing(remote) as sftp:
            sftp.put(str(local), part)
            sftp.chmod(part, mode)
            sftp.posix_rename(part, remote)

    def write(self, text: str, remote: str, mode: int = 0o600) -> None:
        """Write a small text file there.

        Raises:
            Unavailable: the connection was lost or stands still.
        """
        with self._writing(remote) as sftp:
            with sftp.open(f"{remote}.part", "w") as file:
                file.write(text)
            sftp.chmod(f"{remote}.part", mode)
            sftp.posix_rename(f"{remote}.part", remote)

    def get(self, remote: str, local: Path) -> None:
        """Copy a file from there: written beside its place first, then renamed.

        Raises:
            Failed: it is not there.
        """
        local.parent.mkdir(parents=True, exist_ok=True)
        part = local.with_name(local.name + ".part")
        try:
            with self._files() as sftp:
                sftp.get(remote, str(part))
        except FileNotFoundError as error:
            raise Failed(f"{self.address} has no file {remote}.") from error
        except (OSError, EOFError, paramiko.SSHException) as error:
            # What was copied so far would fill a full disk for good.
            part.unlink(missing_ok=True)
            raise Failed(f"{remote} of {self.address} could not be copied to {local}: {error}.") from error
        part.rename(local)

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    @contextmanager
    def _writing(self, remote: str) -> Iterator[paramiko.SFTPClient]:
        try:
            with self._files() as sftp:
                yield sftp
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise Unavailable(f"{remote} could not be written on {self.address}: {_said(error)}.") from error

    @contextmanager
    def _files(self) -> Iterator[paramiko.SFTPClient]:
        """Open a session for files on the connection as it is now; no wait in it is for ever."""
        self.open()
        channel = self._connection.transport.open_session()
        channel.settimeout(_CHANNEL_S)
        with _bounded(channel):
            channel.invoke_subsystem("sftp")
        with paramiko.SFTPClient(channel) as sftp:
            yield sftp


def _said(error: Exception) -> str:
    """Return what a library says of an error, to be the end of a sentence of ours."""
    return str(error).rstrip(".")


def _load_keys(client: paramiko.SSHClient, file: Path | None, lines: str, address: str, port: int) -> None:
    if file is not None:
        try:
            client.load_host_keys(str(file.expanduser()))
        except OSError as error:
            raise Failed(f"known_hosts file {file} cannot be read ({error.strerror}); set ssh.known_hosts.") from error
    name = address if port == 22 else f"[{address}]:{port}"  # noqa: PLR2004 - SSH's port
    for line in lines.splitlines():
        fields = line.split()
        if len(fields) >= 2 and not line.startswith("#"):  # noqa: PLR2004 - type and key
            entry = paramiko.hostkeys.HostKeyEntry.from_line(f"{name} {fields[0]} {fields[1]}")
            if entry is not None and entry.key is not None:
                client.get_host_keys().add(name, entry.key.get_name(), entry.key)
