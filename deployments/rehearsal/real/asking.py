"""Questions to servers and programs, each with a time limit and an answer in words."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from blocks.models.errors import RampartError
from deployments.rehearsal.real.part import NotUsable
from tasks.clients.processes import Completed, run_command

_ANSWER_S = 5.0


def ask(*argv: str, path: str, timeout_s: float = _ANSWER_S) -> Completed:
    """Run a program with a PATH.

    Raises:
        NotUsable: it does not end in time, or cannot be started.
    """
    try:
        return run_command(argv, environment={"PATH": path}, timeout_s=timeout_s)
    except (RampartError, OSError) as error:
        raise NotUsable(str(error).rstrip(".")) from error


def started(*argv: str, path: str) -> None:
    """Make sure that a program starts: its question for the version must succeed.

    Raises:
        NotUsable: it does not; says its last line.
    """
    completed = ask(*argv, path=path)
    if completed.code != 0:
        raise NotUsable(f"{argv[0]} does not start: {completed.last_line}")


def get_json(name: str, url: str, headers: Mapping[str, str] | None = None) -> object:
    """Return what a server answers to GET.

    Raises:
        NotUsable: it does not answer 200 with JSON; says what it does.
    """
    try:
        answer = httpx.get(url, headers=dict(headers or {}), timeout=_ANSWER_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotUsable(f"{name} at {url} does not answer: {str(error) or type(error).__name__}") from error
    if answer.status_code != httpx.codes.OK:
        raise NotUsable(f"{name} at {url} answers {answer.status_code}")
    try:
        return answer.json()
    except ValueError as error:
        raise NotUsable(f"{name} at {url} does not answer JSON") from error
