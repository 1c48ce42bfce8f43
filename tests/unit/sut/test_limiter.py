from collections.abc import Callable
from typing import Any

import pytest


class Limited:
    """A limiter of 5 requests a second whose clock is moved by hand."""

    def __init__(self, module: Callable[[str], Any]) -> None:
        self._web = module("ebit_shared.web")
        self.now = 100.0
        self.limiter = module("ebit_api.limiter").RateLimiter(5, "open sesame", clock=lambda: self.now)

        self.refused = self._web.RefusedError
        self.request = self._web.Request("GET", "/api/bets/history", {})

    def admitted(self, count: int, path: str = "/api/bets/history", **headers: str) -> int:
        passed = 0
        for _ in range(count):
            try:
                self.limiter.check(self._web.Request("GET", path, headers))
            except self._web.RefusedError:
                continue
            passed += 1
        return passed


@pytest.fixture
def limited(service_module: Callable[[str], Any]) -> Limited:
    return Limited(service_module)


def test_a_burst_of_one_second_passes_and_the_rest_is_429(limited: Limited) -> None:
    assert limited.admitted(8) == 5
    with pytest.raises(limited.refused) as refusal:
        limited.limiter.check(limited.request)
    assert refusal.value.status == 429
    assert refusal.value.headers == {"retry-after": "1"}


def test_tokens_come_back_with_time_up_to_the_burst(limited: Limited) -> None:
    limited.admitted(5)
    limited.now += 0.4
    assert limited.admitted(5) == 2
    limited.now += 60
    assert limited.admitted(9) == 5


def test_the_bypass_header_passes_without_a_token(limited: Limited) -> None:
    assert limited.admitted(20, **{"x-load-test-bypass": "open sesame"}) == 20
    assert limited.admitted(5) == 5


def test_a_wrong_bypass_counts_as_any_request(limited: Limited) -> None:
    assert limited.admitted(8, **{"x-load-test-bypass": "open"}) == 5


def test_health_is_never_limited(limited: Limited) -> None:
    assert limited.admitted(20, "/api/health") == 20


def test_a_lower_rate_takes_effect_at_once(limited: Limited) -> None:
    limited.limiter.set_rps(2)
    assert limited.admitted(8) == 2


def test_without_a_secret_an_empty_header_bypasses_nothing(service_module: Callable[[str], Any]) -> None:
    limiter = service_module("ebit_api.limiter").RateLimiter(1, "", clock=lambda: 0.0)
    web = service_module("ebit_shared.web")
    request = web.Request("GET", "/x", {"x-load-test-bypass": ""})
    limiter.check(request)
    with pytest.raises(web.RefusedError):
        limiter.check(request)
