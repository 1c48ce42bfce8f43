from __future__ import annotations

from http.server import BaseHTTPRequestHandler

import paramiko
import pytest

from blocks.models.errors import Failed, Unavailable
from tasks.clients.readiness import is_final, why_not_served
from tasks.ready import wait_for
from tests.integration.serving import serving


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Booting:
    """Is ready from a time on."""

    def __init__(self, clock: Clock, ready_at: float, why: str = "Connection refused.") -> None:
        self.clock, self.ready_at, self.why, self.asked = clock, ready_at, why, 0

    def __call__(self) -> str:
        self.asked += 1
        return "" if self.clock.now >= self.ready_at else self.why


def test_what_comes_late_is_waited_for_and_what_is_ready_is_not_asked_again() -> None:
    clock, said = Clock(), list[str]()
    early, late = Booting(clock, 0), Booting(clock, 100)
    assert 100 <= wait_for({"Grafana": early, "SUT 10.0.0.1": late}, 600, said.append, clock, clock.sleep) < 110
    assert early.asked == 1
    assert said[0] == "not ready yet: SUT 10.0.0.1: Connection refused"
    # About each 15 s.
    assert len(said) == 6


def test_what_is_ready_at_once_costs_no_time_and_says_nothing() -> None:
    clock, said = Clock(), list[str]()
    assert wait_for({"Grafana": Booting(clock, 0)}, 600, said.append, clock, clock.sleep) == 0
    assert said == []


def test_after_the_time_out_all_that_is_not_ready_is_named_with_what_it_said_last() -> None:
    clock = Clock()
    probes = {
        "SUT 10.0.0.1": Booting(clock, 900),
        "Jaeger": Booting(clock, 900, "HTTP 503"),
        "Grafana": Booting(clock, 9),
    }
    with pytest.raises(Unavailable) as raised:
        wait_for(probes, 600, lambda _: None, clock, clock.sleep)
    assert str(raised.value).startswith(
        "Not ready 600 s after apply: SUT 10.0.0.1: Connection refused; Jaeger: HTTP 503. Look at"
    )
    assert "ready_timeout_s" in str(raised.value)
    assert clock.now < 610


def test_what_waiting_cannot_change_is_raised_at_once() -> None:
    clock = Clock()

    def wrong() -> str:
        raise Failed("The host key is not the one that is known.")

    with pytest.raises(Failed, match="host key"):
        wait_for({"SUT": wrong, "Grafana": Booting(clock, 900)}, 600, lambda _: None, clock, clock.sleep)
    assert clock.now == 0


KEY = paramiko.RSAKey.generate(1024)


@pytest.mark.parametrize(
    ("cause", "final_before", "final_after"),
    [
        (paramiko.BadHostKeyException("sut", KEY, KEY), True, True),
        (paramiko.SSHException("Server 'sut' not found in known_hosts"), True, True),
        (paramiko.PasswordRequiredException("Private key file is encrypted"), True, True),
        # cloud-init has not made the user yet, or never will.
        (paramiko.AuthenticationException("Authentication failed."), False, True),
        (paramiko.BadAuthenticationType("Bad authentication type", ["publickey"]), False, True),
        # PAM lets nobody in while the system boots: sshd hangs up.
        (paramiko.AuthenticationException("Authentication failed: transport shut down or saw EOF"), False, False),
        (paramiko.AuthenticationException("Authentication timeout."), False, False),
    ],
)
def test_a_refusal_is_final_only_when_booting_cannot_explain_it(
    cause: Exception, final_before: bool, final_after: bool
) -> None:
    refused = Failed("refused")
    refused.__cause__ = cause
    assert is_final(refused, cloud_init_ended=False) is final_before
    assert is_final(refused, cloud_init_ended=True) is final_after


@pytest.mark.parametrize(("status", "why"), [(200, ""), (401, ""), (404, ""), (502, "HTTP 502"), (503, "HTTP 503")])
def test_every_answer_but_a_server_error_is_one(status: int, why: str) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as url:
        found = why_not_served(url)
    assert found.endswith(why)
    assert bool(found) == bool(why)
    assert "ConnectError" in why_not_served(url)


@pytest.mark.parametrize("url", ["10.0.0.1:9090/-/ready", "/-/ready", "http://10.0.0.1:nine"])
def test_what_is_no_address_is_not_waited_for(url: str) -> None:
    with pytest.raises(Failed, match="is no address"):
        why_not_served(url)
