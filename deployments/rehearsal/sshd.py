"""An sshd without privileges: a key opens it, and what it starts is this user's."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from blocks.models.errors import Failed


def sshd_command(  # noqa: PLR0913 - what an sshd is told
    config: Path, *, address: str, port: int, host_key: Path, authorized_keys: Path, path: str, environment: str = ""
) -> list[str]:
    """Write an sshd's settings; return the command that serves with them in the foreground.

    Args:
        config: file for the settings.
        address: where it listens.
        port: where it listens.
        host_key: its private key; the public one belongs into the known hosts of who connects.
        authorized_keys: public keys that may log in.
        path: folders in which sshd is looked for, before the system's.
        environment: what sessions have in their environment, as sshd's SetEnv takes it.

    Raises:
        Failed: There is no sshd.
    """
    sshd = shutil.which("sshd", path=f"{path}:/usr/sbin")
    if sshd is None:
        raise Failed("sshd was not found; run make setup.")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(parents=True, exist_ok=True)
    config.write_text(
        f"Port {port}\nListenAddress {address}\nHostKey {host_key}\nAuthorizedKeysFile {authorized_keys}\n"
        "PidFile none\nStrictModes no\nUsePAM no\nPrintMotd no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        "PermitRootLogin prohibit-password\nMaxSessions 100\nMaxStartups 100\nSubsystem sftp internal-sftp\n"
        # Bash reads the login's .bashrc in the first shell of a connection: this one is said not to be it.
        f"SetEnv SHLVL=1 {environment}\n"
    )
    # sshd starts itself again for each connection and insists on an absolute path that is no link of ours.
    return [str(Path(sshd).resolve()), "-D", "-e", "-f", str(config)]
