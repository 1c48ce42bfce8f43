"""What a service reads from its environment, with sentences for what is missing or wrong."""

import os


class BadEnvironmentError(Exception):
    """A variable is missing or unusable; the message is for the operator."""


def text(name: str, default: str | None = None) -> str:
    """Read a variable that must not be empty.

    Raises:
        BadEnvironmentError: it is unset or empty and has no default.
    """
    value = os.environ.get(name) or default
    if value is None:
        raise BadEnvironmentError(f"{name} is not set: give it a value in the service's environment.")
    return value


def number(name: str, default: float | None = None, *, least: float = 0) -> float:
    """Read a number that is at least `least`.

    Raises:
        BadEnvironmentError: it is missing without a default, no number, or too small.
    """
    raw = text(name, None if default is None else str(default))
    try:
        value = float(raw)
    except ValueError:
        raise BadEnvironmentError(f"{name} is {raw!r}: a number is wanted.") from None
    if not least <= value < float("inf"):
        raise BadEnvironmentError(f"{name} is {raw}: at least {least:g} is wanted.")
    return value


def port(name: str, default: int | None = None) -> int:
    """Read a TCP port.

    Raises:
        BadEnvironmentError: it is missing without a default or not in 1..65535.
    """
    value = number(name, default, least=1)
    if value != int(value) or value > 65535:  # noqa: PLR2004 - the highest TCP port
        raise BadEnvironmentError(f"{name} is {value:g}: a port from 1 to 65535 is wanted.")
    return int(value)
