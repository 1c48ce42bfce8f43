"""Whether what was just made can be used yet: what its servers and its sshd answer while it boots."""

from __future__ import annotations

import httpx
import paramiko

from blocks.models.errors import Failed

_ANSWER_S = 5.0


def why_not_served(url: str) -> str:
    """Ask a server; return why it does not serve yet, or nothing: every answer but a server error will do.

    Raises:
        Failed: this is no address.
    """
    try:
        status = httpx.get(url, timeout=_ANSWER_S).status_code
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise Failed(f"'{url}' is no address ({error}); wanted is one such as http://10.0.0.1:9090.") from error
    except httpx.HTTPError as error:
        return f"{url}: {type(error).__name__} {error}".strip()
    return f"{url}: HTTP {status}" if status >= httpx.codes.INTERNAL_SERVER_ERROR else ""


def is_final(error: Failed, *, cloud_init_ended: bool) -> bool:
    """Whether waiting cannot change why a host let nobody in.

    A wrong or unknown host key stays wrong. An sshd that hangs up during the login says that its host still boots. One that
    refuses the key may serve before cloud-init made the user, unless cloud-init is known to have ended.

    Args:
        error: what opening the host raised; its cause is paramiko's.
        cloud_init_ended: the host's keys came from its console, where cloud-init writes them last of all.
    """
    cause = error.__cause__
    if not isinstance(cause, paramiko.AuthenticationException) or isinstance(cause, paramiko.PasswordRequiredException):
        return True
    hung_up = "EOF" in str(cause) or "timeout" in str(cause)
    return cloud_init_ended and not hung_up
