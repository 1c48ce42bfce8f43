from datetime import UTC, datetime, timedelta

from deployments.rehearsal.cloud.tokens import LIFETIME, Tokens

START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def test_an_issued_token_opens_the_registry_for_twelve_hours_and_not_longer() -> None:
    clock = Clock()
    tokens = Tokens(clock)
    token, expires = tokens.issue()
    assert expires == START + timedelta(hours=12)
    clock.now = START + LIFETIME - timedelta(seconds=1)
    assert tokens.accepts("AWS", token)
    clock.now = START + LIFETIME
    assert not tokens.accepts("AWS", token)


def test_a_token_is_good_only_with_the_user_name_of_ecr() -> None:
    tokens = Tokens()
    token, _ = tokens.issue()
    assert not tokens.accepts("root", token)
    assert not tokens.accepts(None, token)


def test_what_was_never_issued_does_not_open_the_registry() -> None:
    tokens = Tokens()
    tokens.issue()
    assert not tokens.accepts("AWS", "guess")
    assert not tokens.accepts("AWS", None)


def test_a_second_token_leaves_the_first_one_valid() -> None:
    tokens = Tokens()
    first, _ = tokens.issue()
    second, _ = tokens.issue()
    assert first != second
    assert tokens.accepts("AWS", first)
    assert tokens.accepts("AWS", second)
