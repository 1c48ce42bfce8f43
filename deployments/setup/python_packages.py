"""The virtual environment: made once, filled by pip from requirements.lock, reused while both are unchanged."""

import hashlib
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from deployments.setup.console import Console
from deployments.setup.layout import Layout
from deployments.setup.problems import PythonPackagesFailed
from deployments.setup.processes import Finished, run
from deployments.setup.system_packages import PackagesRefused, install_packages

_VENV_LIMIT_S = 180.0
_PIP_LIMIT_S = 1800.0  # about 250 MB of wheels; two minutes on a good line
_PIP_RETRIES = "5"
_PIP_TIMEOUT_S = "60"
_PROJECT_FILES = ("requirements.lock", "pyproject.toml")


def packages_key(layout: Layout) -> str:
    """What the environment is made from: lock, project file, Python's version, and the checkout's own place."""
    digest = hashlib.sha256()
    for name in _PROJECT_FILES:
        digest.update((layout.root / name).read_bytes())
    digest.update(f"{sys.version_info.major}.{sys.version_info.minor} {layout.root}".encode())
    return digest.hexdigest()


def packages_are_current(layout: Layout) -> bool:
    """Whether the environment was completed from just what is there now."""
    stamp = _stamp(layout)
    return layout.python.exists() and stamp.is_file() and stamp.read_text() == packages_key(layout)


def install_python_packages(layout: Layout, environ: Mapping[str, str], console: Console) -> None:
    """Make the environment hold requirements.lock and the project itself; raises PythonPackagesFailed.

    pip keeps the user's configuration (index, certificates, cache); only what a virtual environment cannot do
    (`--user`) is turned off, and retries and time-out are set where the user has not set them.
    """
    if packages_are_current(layout):
        console.line("Python packages are in place")
        return
    _stamp(layout).unlink(missing_ok=True)
    _make_environment(layout, environ, console)
    pip_environment = _pip_environment(layout, environ)
    with console.step("Python packages of requirements.lock (minutes the first time)"):
        _pip(layout, pip_environment, ["install", "--prefer-binary", "-r", layout.lock_file])
    with console.step("Rampart itself"):
        # hatchling and editables are in the lock: nothing is fetched for the build
        _pip(layout, pip_environment, ["install", "--no-deps", "--no-build-isolation", "-e", layout.root])
        _pip(layout, pip_environment, ["check"])
    _stamp(layout).write_text(packages_key(layout))


def _make_environment(layout: Layout, environ: Mapping[str, str], console: Console) -> None:
    """Make the environment, or keep one of the same Python that works."""
    wanted = f"{sys.version_info.major}.{sys.version_info.minor}"
    asked = run(
        [layout.python, "-c", "import pip, sys; print('%d.%d' % sys.version_info[:2], sys.prefix)"], limit_s=30.0
    )
    if asked.ok and asked.output.split(maxsplit=1) == [wanted, f"{layout.venv}\n"]:
        return
    if find_spec("ensurepip") is None:
        _install_ensurepip(wanted, environ, console)
    base = getattr(sys, "_base_executable", None) or sys.executable  # not the Python of a virtual environment
    with console.step(f"virtual environment of Python {sys.version.split()[0]}"):
        made = run([base, "-m", "venv", "--clear", layout.venv], limit_s=_VENV_LIMIT_S)
        if not made.ok:
            raise PythonPackagesFailed(f"{base} could not make {layout.venv}:\n{made.tail()}")


def _install_ensurepip(version: str, environ: Mapping[str, str], console: Console) -> None:
    """Debian keeps what `venv` needs in a package of its own."""
    package = f"python{version}-venv"
    try:
        with console.step(f"system package {package}"):
            install_packages([package], environ)
    except PackagesRefused as refusal:
        raise PythonPackagesFailed(
            f"Python {version} cannot make virtual environments here: {refusal}. "
            f"Install it with: sudo apt-get install {package}"
        ) from refusal


def _pip_environment(layout: Layout, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of pip: the user's, without what would lead it out of the virtual environment."""
    kept = {name: value for name, value in environ.items() if name not in {"PYTHONPATH", "PYTHONHOME", "PIP_TARGET"}}
    kept |= {"PIP_USER": "0", "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_PROGRESS_BAR": "off"}
    configured = run([layout.python, "-m", "pip", "config", "list"], limit_s=60.0, env=kept).output
    for option, value in (("retries", _PIP_RETRIES), ("timeout", _PIP_TIMEOUT_S)):
        if option not in configured:  # the environment would override the user's file
            kept[f"PIP_{option.upper()}"] = value
    return kept


def _pip(layout: Layout, environ: Mapping[str, str], arguments: Sequence[str | Path]) -> Finished:
    """Run pip in the environment; raises PythonPackagesFailed with its last lines."""
    finished = run([layout.python, "-m", "pip", *arguments], limit_s=_PIP_LIMIT_S, cwd=layout.root, env=environ)
    if not finished.ok:
        told = " ".join(str(argument) for argument in arguments)
        raise PythonPackagesFailed(
            f"pip {told} failed. If the package index could not be reached, check the network or pip's configuration "
            f"and run make setup again. The last lines of pip:\n{finished.tail(8)}"
        )
    return finished


def _stamp(layout: Layout) -> Path:
    """Where the key of a completed environment is kept; inside it, so that both go together."""
    return layout.venv / "rampart-stamp"
