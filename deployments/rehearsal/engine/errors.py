"""What can go wrong in the stand-in engine.

EngineError             one sentence for the operator, as docker would word it; carries the exit code
├── Unsupported         docker can do this, the stand-in cannot
└── RegistryRefused     the registry answered with an error
"""

from __future__ import annotations


class EngineError(Exception):
    """A command failed; the message is what docker prints.

    Args:
        message: Text for standard error.
        exit_code: Exit code of the command; docker uses 1 unless a process' own code is meant.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Unsupported(EngineError):
    """Docker can do this and the stand-in cannot: said loudly, never skipped.

    Args:
        what: The command or option, as it would be typed after `docker`.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"stand-in engine: 'docker {what}' is not supported")


class RegistryRefused(EngineError):
    """The registry refused a request.

    Args:
        status: HTTP status.
        code: Code of the registry's error body, such as `NAME_UNKNOWN`; empty if there was none.
        message: Message of the error body, or the HTTP reason.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        label = code.lower().replace("_", " ")
        super().__init__(f"{label}: {message}" if label else f"unexpected status from registry: {status} {message}")
        self.status = status
