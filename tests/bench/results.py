"""Measured numbers, appended as they come: a suite that is started again goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
FILE = PROJECT / "runs" / "bench.jsonl"
# What a repetition depends on; numbers stay valid while it is unchanged.
_CODE = ("flows", "tasks", "blocks", "tests/bench")


def code_hash(*folders: str) -> str:
    """Return the hash of the code in some folders."""
    files = sorted(
        path for folder in folders for path in (PROJECT / folder).rglob("*") if path.suffix in {".py", ".j2", ".sh"}
    )
    digest = hashlib.sha256()
    for path in files:
        digest.update(str(path.relative_to(PROJECT)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


# Taken once: what is edited while a suite runs is not what it measures.
CODE = code_hash(*_CODE)


def append(name: str, **numbers: Any) -> None:
    """Keep one repetition."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=PROJECT, capture_output=True, text=True, check=False
    ).stdout.strip()
    FILE.parent.mkdir(exist_ok=True)
    with FILE.open("a") as file:
        file.write(json.dumps({"name": name, "commit": commit, "code": CODE, **numbers}, sort_keys=True) + "\n")


def kept(name: str, **same: Any) -> list[dict[str, Any]]:
    """Return the repetitions of this code."""
    if not FILE.exists():
        return []
    rows = [json.loads(line) for line in FILE.read_text().splitlines() if line.strip()]
    wanted = {"name": name, "code": CODE, **same}
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def quantile(values: list[float], part: float) -> float:
    """Return the nearest-rank quantile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * int(part * 100) // 100) - 1))]
