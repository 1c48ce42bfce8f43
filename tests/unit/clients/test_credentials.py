"""Whether credentials are valid for longer than a lease, as boto3 finds them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest

from tasks.clients.account import Account

LEASE_S = 3600.0


@pytest.fixture(autouse=True)
def _no_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_CREDENTIAL_EXPIRATION",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def _outlive(session: boto3.Session) -> bool | None:
    return Account(session, "eu-north-1", None).credentials_outlive(LEASE_S)


def test_an_access_key_does_not_end() -> None:
    assert _outlive(boto3.Session("key", "secret")) is True


def test_a_session_token_does_not_say_when_it_ends() -> None:
    assert _outlive(boto3.Session("key", "secret", "token")) is None


@pytest.mark.parametrize(("minutes", "outlives"), [(61, True), (59, False), (16, False)])
def test_the_environment_says_when_its_credentials_end(
    monkeypatch: pytest.MonkeyPatch, minutes: int, *, outlives: bool
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat())
    assert _outlive(boto3.Session()) is outlives


def test_a_role_renews_its_credentials_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text(
        "[profile base]\naws_access_key_id = key\naws_secret_access_key = secret\n"
        "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/perf\nsource_profile = base\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "role")
    assert _outlive(boto3.Session()) is True
