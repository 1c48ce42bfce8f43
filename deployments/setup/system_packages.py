"""Debian packages, where this user may install them, without leaving a service running."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from deployments.setup.problems import SetupProblem
from deployments.setup.processes import run

_APT_LIMIT_S = 900.0  # Chromium is about 100 MB with what it needs
_QUICK_LIMIT_S = 30.0
_POLICY = Path("/usr/sbin/policy-rc.d")
_NO_SERVICE_STARTS = "#!/bin/sh\n# Made by Rampart's setup while it installs packages: no service starts.\nexit 101\n"
# The services that come with a package; they are stopped and disabled if the package was not there before.
_UNITS = {"prometheus": ("prometheus.service",), "openssh-server": ("ssh.service", "ssh.socket")}


class PackagesRefused(SetupProblem):
    """apt-get may not be used or failed; the text says which."""


def privilege(environ: Mapping[str, str]) -> list[str]:
    """What to put before apt-get: nothing for root, `sudo -n` where that asks for no password.

    Raises PackagesRefused with the reason when this user may not install packages or RAMPART_SYSTEM_PACKAGES=no.
    """
    if environ.get("RAMPART_SYSTEM_PACKAGES") == "no":
        raise PackagesRefused("RAMPART_SYSTEM_PACKAGES=no forbids system packages")
    if shutil.which("apt-get") is None:
        raise PackagesRefused("this system has no apt-get")
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and run(["sudo", "-n", "true"], limit_s=_QUICK_LIMIT_S).ok:
        return ["sudo", "-n"]
    raise PackagesRefused("this user may not install packages (not root, and sudo asks for a password or is missing)")


def install_packages(packages: Sequence[str], environ: Mapping[str, str]) -> None:
    """Install packages with the lists brought up to date; raises PackagesRefused with apt's last lines.

    Services a package brings are neither started nor left to start at the next boot; what was installed before is
    left as it is.
    """
    root = privilege(environ)
    apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=120"]
    new = [package for package in packages if not _is_installed(package)]
    with _no_service_starts(root):
        updated = run([*apt, "update"], limit_s=_APT_LIMIT_S)
        installed = run([*apt, "install", "-y", "--no-install-recommends", *packages], limit_s=_APT_LIMIT_S)
    _disable_services(root, new)
    if not installed.ok:
        reason = installed.tail(3) if updated.ok else f"{updated.tail(3)}\n{installed.tail(3)}"
        raise PackagesRefused(f"apt-get install {' '.join(packages)} failed: {reason}")


@contextmanager
def _no_service_starts(root: Sequence[str]) -> Iterator[None]:
    """Keep package scripts from starting services; a policy the machine has already stays in force."""
    if _POLICY.exists():
        yield
        return
    with tempfile.NamedTemporaryFile("w", suffix="-policy-rc.d") as policy:
        policy.write(_NO_SERVICE_STARTS)
        policy.flush()
        run([*root, "install", "-m", "0755", policy.name, _POLICY], limit_s=_QUICK_LIMIT_S)
    try:
        yield
    finally:
        run([*root, "rm", "-f", _POLICY], limit_s=_QUICK_LIMIT_S)


def _disable_services(root: Sequence[str], packages: Sequence[str]) -> None:
    """Stop and disable the units of packages that are new here."""
    units = [unit for package in packages for unit in _UNITS.get(package, ())]
    if units and Path("/run/systemd/system").is_dir():  # systemd's own test of whether it runs this machine
        for unit in units:
            run([*root, "systemctl", "disable", "--now", unit], limit_s=_QUICK_LIMIT_S)


def _is_installed(package: str) -> bool:
    """Whether dpkg has the package installed."""
    answer = run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package], limit_s=_QUICK_LIMIT_S)
    return answer.ok and answer.output.strip() == "installed"
