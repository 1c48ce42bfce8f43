import os
import re

import httpx
import pytest
import websockets
from websockets.sync.client import connect

from tests.integration.sut.ebit import Ebit, wait_until

pytestmark = pytest.mark.integration

USER = {"email": "someone@ebit.test", "password": "correct horse"}


def queue_jobs(ebit: Ebit, queue: str, state: str) -> int:
    text = httpx.get(ebit.url("WORKER_PORT", "/metrics")).text
    found = re.search(rf'^bullmq_queue_jobs{{queue="{queue}",state="{state}"}} (\d+)$', text, re.MULTILINE)
    assert found, text
    return int(found[1])


def socket_url(ebit: Ebit, player: dict[str, str]) -> str:
    return f"ws://127.0.0.1:{ebit.variables['RT_PORT']}/rt?token={player['authorization'].removeprefix('Bearer ')}"


def test_a_user_signs_up_once_and_signs_in_with_the_right_password(ebit: Ebit) -> None:
    signup, signin = f"{ebit.api_url}/api/auth/signup", f"{ebit.api_url}/api/auth/signin"
    assert httpx.post(signup, json=USER).status_code == 201
    assert httpx.post(signup, json=USER).status_code == 409
    assert httpx.post(signin, json=USER).json()["accessToken"].count(".") == 2
    assert httpx.post(signin, json=USER | {"password": "wrong horse"}).status_code == 401
    assert httpx.post(signin, json=USER | {"email": "nobody@ebit.test"}).status_code == 401


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"email": 1, "password": "x"}', b'{"email": "a@b.c"}', b'{"email":"a@b.c","password":""}'],
)
def test_a_broken_sign_in_is_400(ebit: Ebit, body: bytes) -> None:
    assert httpx.post(f"{ebit.api_url}/api/auth/signin", content=body).status_code == 400


def test_a_short_password_is_400(ebit: Ebit) -> None:
    answer = httpx.post(f"{ebit.api_url}/api/auth/signup", json={"email": "x@ebit.test", "password": "short"})
    assert answer.status_code == 400


def test_an_oversized_body_is_413(ebit: Ebit) -> None:
    assert httpx.post(f"{ebit.api_url}/api/auth/signin", content=b"x" * 100_000).status_code == 413


def test_unknown_paths_are_404_and_wrong_methods_405(ebit: Ebit) -> None:
    assert httpx.get(f"{ebit.api_url}/api/nope").status_code == 404
    assert httpx.delete(f"{ebit.api_url}/api/bets/history").status_code == 405


def test_bets_need_a_token(ebit: Ebit) -> None:
    bet = {"amount": 1, "target": 50}
    assert httpx.post(f"{ebit.api_url}/api/bets/dice", json=bet).status_code == 401
    forged = {"authorization": "Bearer a.b.c", "x-user-id": "somebody"}
    assert httpx.get(f"{ebit.api_url}/api/bets/history", headers=forged).status_code == 401


def test_a_bet_is_kept_settled_and_in_the_history(ebit: Ebit, player: dict[str, str]) -> None:
    settled = queue_jobs(ebit, "settlement", "completed")
    placed = httpx.post(f"{ebit.api_url}/api/bets/dice", json={"amount": 2, "target": 98}, headers=player)
    assert placed.status_code == 201
    history = httpx.get(f"{ebit.api_url}/api/bets/history", headers=player).json()["bets"]
    assert history[0]["id"] == placed.json()["id"]
    wait_until(lambda: queue_jobs(ebit, "settlement", "completed") > settled, "the bet is settled")


def test_an_unusable_bet_is_400(ebit: Ebit, player: dict[str, str]) -> None:
    answer = httpx.post(f"{ebit.api_url}/api/bets/dice", json={"amount": -1, "target": 50}, headers=player)
    assert answer.status_code == 400


def test_a_socket_welcomes_ticks_and_answers_bets(ebit: Ebit, player: dict[str, str]) -> None:
    with connect(socket_url(ebit, player)) as socket:
        assert '"type":"welcome"' in str(socket.recv(5))
        socket.send('{"type": "bet", "amount": 3}')
        assert str(socket.recv(5)) == '{"type":"bet.seen","amount":3}'
        socket.send("nonsense")
        assert '"type":"error"' in str(socket.recv(5))
        assert str(socket.recv(5)) == '{"type":"tick","n":1}'


def test_a_handshake_with_a_bad_token_is_401(ebit: Ebit) -> None:
    url = f"ws://127.0.0.1:{ebit.variables['RT_PORT']}/rt?token=a.b.c"
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused, connect(url):
        pass
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize("name", ["worker", "auth", "rt", "bet"])
def test_health_is_503_and_names_the_service_that_is_away(ebit: Ebit, name: str) -> None:
    ebit.stop_service(name)
    try:
        answer = httpx.get(f"{ebit.api_url}/api/health")
        assert answer.status_code == 503
        assert answer.json()["missing"] == [name]
        assert name in answer.json()["services"][name]
    finally:
        ebit.start_service(name)
    wait_until(ebit.healthy, f"{name} is back")


def test_a_service_that_is_away_is_502_for_its_requests(ebit: Ebit) -> None:
    ebit.stop_service("auth")
    try:
        assert httpx.post(f"{ebit.api_url}/api/auth/signin", json=USER).status_code == 502
    finally:
        ebit.start_service("auth")
    wait_until(ebit.healthy, "auth is back")


def test_migrations_and_seed_may_be_repeated(ebit: Ebit) -> None:
    for module in ("ebit_api.migrate", "ebit_api.seed"):
        done = ebit.execute("api", "-m", module)
        assert done.returncode == 0
        assert done.stdout.count("nothing to do") == 2


def test_the_limiter_answers_429_and_lets_the_bypass_header_through(ebit: Ebit) -> None:
    settings, path = ebit.url("API_ADMIN_PORT", "/settings"), f"{ebit.api_url}/api/nope"
    usual = httpx.get(settings).json()
    httpx.patch(settings, json={"rate_limit_rps": 1}).raise_for_status()
    try:
        statuses = [httpx.get(path).status_code for _ in range(4)]
        passed = [httpx.get(path, headers={"x-load-test-bypass": "open sesame"}).status_code for _ in range(4)]
    finally:
        httpx.patch(settings, json=usual).raise_for_status()
    assert 429 in statuses
    assert passed == [404] * 4
    assert httpx.get(f"{ebit.api_url}/api/health").status_code == 200


def test_a_setting_that_does_not_exist_changes_nothing(ebit: Ebit) -> None:
    settings = ebit.url("BET_ADMIN_PORT", "/settings")
    before = httpx.get(settings).json()
    for wanted in ({"nope": 1}, {"prisma_pool_size": 0}, {"prisma_pool_size": 5, "db_query_ms": "x"}):
        assert httpx.patch(settings, json=wanted).status_code == 400
    assert httpx.get(settings).json() == before


def test_the_request_log_has_the_time_method_path_and_status_without_queries(ebit: Ebit) -> None:
    httpx.get(f"{ebit.api_url}/api/nope?token=canary")
    last = (ebit.folder / "requests.log").read_text().splitlines()[-1]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z GET /api/nope 404 \d+\.\d", last)


def test_the_front_end_says_what_it_is(ebit: Ebit) -> None:
    assert "rehearsal only" in httpx.get(ebit.url("FE_PORT", "/")).text


def test_a_service_is_small(ebit: Ebit) -> None:
    for name, process in ebit.processes.items():
        with open(f"/proc/{process.pid}/statm", encoding="ascii") as statm:  # noqa: PTH123 - not a file one keeps
            resident = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        assert resident < 80e6, f"{name} takes {resident / 1e6:.0f} MB"
