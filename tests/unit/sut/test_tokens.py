from collections.abc import Callable
from typing import Any

import pytest

ISSUED = 1_800_000_000.0


@pytest.fixture
def tokens(service_module: Callable[[str], Any]) -> Any:
    return service_module("ebit_shared.tokens")


def test_a_token_names_its_user(tokens: Any) -> None:
    token = tokens.issue("user-1", "secret", now=ISSUED)
    assert tokens.verify(token, "secret", now=ISSUED + 1) == "user-1"


def test_a_token_of_another_secret_is_refused(tokens: Any) -> None:
    token = tokens.issue("user-1", "secret", now=ISSUED)
    with pytest.raises(tokens.BadTokenError, match="signature"):
        tokens.verify(token, "other", now=ISSUED)


def test_a_token_lasts_its_lifetime_and_no_longer(tokens: Any) -> None:
    token = tokens.issue("user-1", "secret", now=ISSUED)
    assert tokens.verify(token, "secret", now=ISSUED + tokens.LIFETIME_S - 1) == "user-1"
    with pytest.raises(tokens.BadTokenError, match="expired"):
        tokens.verify(token, "secret", now=ISSUED + tokens.LIFETIME_S)


@pytest.mark.parametrize("token", ["", "x", "a.b", "a.b.c", "....", "é.ü.ß", "a" * 5000])
def test_what_is_no_token_is_refused(tokens: Any, token: str) -> None:
    with pytest.raises(tokens.BadTokenError):
        tokens.verify(token, "secret")


def test_an_altered_payload_is_refused(tokens: Any) -> None:
    mine = tokens.issue("user-1", "secret", now=ISSUED).split(".")
    theirs = tokens.issue("user-2", "secret", now=ISSUED).split(".")
    with pytest.raises(tokens.BadTokenError):
        tokens.verify(".".join([mine[0], theirs[1], mine[2]]), "secret", now=ISSUED)


@pytest.mark.parametrize(
    ("header", "token"), [("Bearer abc", "abc"), ("bearer  abc ", "abc"), ("Basic abc", ""), ("abc", ""), ("", "")]
)
def test_only_a_bearer_header_carries_a_token(tokens: Any, header: str, token: str) -> None:
    assert tokens.bearer(header) == token
