"""Registry credentials where docker keeps them: `$DOCKER_CONFIG/config.json`, base64 of `user:password`."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from deployments.rehearsal.engine.home import read_json, write_json


def config_path() -> Path:
    """Returns the client's configuration file: in $DOCKER_CONFIG, else in ~/.docker."""
    folder = os.environ.get("DOCKER_CONFIG") or str(Path("~/.docker").expanduser())
    return Path(folder) / "config.json"


def basic_auth(user: str, password: str) -> str:
    """Returns what follows `Basic ` in an Authorization header, and what the file holds."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def stored_auth(registry: str) -> str:
    """Returns the stored credentials of a registry; empty if nobody logged in."""
    return str(read_json(config_path()).get("auths", {}).get(registry, {}).get("auth", ""))


def store(registry: str, auth: str) -> None:
    """Keeps credentials, readable by the owner only; other settings in the file stay."""
    path = config_path()
    config = read_json(path)
    config.setdefault("auths", {})[registry] = {"auth": auth}
    _write(path, config)


def erase(registry: str) -> bool:
    """Forgets credentials; says whether there were any."""
    path = config_path()
    config = read_json(path)
    if registry not in config.get("auths", {}):
        return False
    del config["auths"][registry]
    _write(path, config)
    return True


def _write(path: Path, config: dict[str, object]) -> None:
    before = os.umask(0o077)
    try:
        write_json(path, config)
    finally:
        os.umask(before)
