"""The system under test: its services, its database, its users."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect import task
from prefect.logging import get_run_logger

from blocks.models.errors import Failed, NoData
from blocks.models.verdict import Judgement, failed, passed
from tasks.account import account_of
from tasks.clients.processes import run_command
from tasks.clients.sut import Container, ContainerStats, Health, SystemUnderTest, wait_until_healthy
from tasks.infrastructure import api_url, connect_sut
from tasks.run import Run


@contextmanager
def sut_of(run: Run) -> Iterator[SystemUnderTest]:
    """Connect to the SUT's compose project."""
    host = connect_sut(run)
    services = run.environment.services
    try:
        yield SystemUnderTest(host, run.environment.compose_command, services.compose_directory, services.project)
    finally:
        host.close()


@task
def start_services(run: Run) -> tuple[Container, ...]:
    """Pull and start the services and return the containers that run."""
    with sut_of(run) as sut:
        sut.log_in(account_of(run).registry_login())
        sut.pull()
        sut.up()
        return sut.containers()


@task
def wait_for_health(run: Run) -> Health:
    """Wait until the API is healthy."""
    logger = get_run_logger()
    url = api_url(run) + run.environment.services.health_path
    return wait_until_healthy(
        url, run.environment.services.health_timeout_s, lambda last: logger.info("%s: %s", url, last)
    )


@task
def prepare_database(run: Run) -> Path:
    """Run migrations and seed in the api container and keep what they said."""
    services = run.environment.services
    file = run.evidence / "database.txt"
    said: list[str] = []
    with sut_of(run) as sut:
        for command in (services.migrate, services.seed):
            completed = sut.execute(services.api_service, command)
            said.append(f"$ {' '.join(command)}\n{completed.stdout}{completed.stderr}\nexit code {completed.code}\n")
            file.write_text("\n".join(said))
            if completed.code != 0:
                raise Failed(
                    f"'{' '.join(command)}' in {services.api_service} ended with {completed.code}: {completed.last_line}"
                )
    return file


@task
def seed_users(run: Run) -> str:
    """Seed the load users with the checkout's own script and return the last thing it said."""
    users, checkout = run.profile.users, run.environment.checkout
    if not (checkout / users.script).is_file():
        raise Failed(f"The checkout has no {users.script}; set users.script of the load profile.")
    logger = get_run_logger()
    completed = run_command(
        ["npx", "--no-install", "tsx", str(users.script)],
        cwd=checkout,
        environment={"API_URL": api_url(run), "TEST_USER_COUNT": str(users.count)},
        timeout_s=users.timeout_s,
        on_line=logger.info,
    )
    if completed.code != 0:
        raise Failed(f"{users.script} ended with {completed.code}: {completed.last_line}")
    return completed.stdout.strip().splitlines()[-1] if completed.stdout.strip() else "it said nothing"


@task(retries=2, retry_delay_seconds=1)
def read_stats(run: Run) -> tuple[ContainerStats, ...]:
    """Return what each container of the SUT uses now."""
    with sut_of(run) as sut:
        return sut.stats()


def judge_services(containers: tuple[Container, ...], pushed: dict[str, str]) -> Judgement:
    """Judge whether every pushed image runs, and nothing else of its name."""
    running = [container for container in containers if container.state == "running"]
    stopped = [container.name for container in containers if container.state != "running"]
    if stopped:
        return failed(f"{', '.join(stopped)} do not run; look at their logs on the SUT.")
    digests = {digest for container in running for digest in container.digests}
    missing = [name for name, digest in sorted(pushed.items()) if digest not in digests]
    if missing:
        return failed(f"No container runs the pushed image of {', '.join(missing)}; pull and start them again.")
    return passed(f"{len(running)} containers run the pushed digests: {', '.join(item.service for item in running)}")


def judge_users(text: str, wanted: int) -> Judgement:
    """Judge users.json as it is on the load generator: entries parsed and distinct."""
    try:
        entries = json.loads(text)
    except json.JSONDecodeError as error:
        return failed(f"users.json on the load generator is not JSON (line {error.lineno}); seed the users again.")
    if not isinstance(entries, list):
        raise NoData("users.json on the load generator is no list of users; seed the users again.")
    distinct = len({json.dumps(entry, sort_keys=True) for entry in entries})
    if distinct != wanted or len(entries) != wanted:
        return failed(f"users.json has {len(entries)} entries, {distinct} of them distinct; wanted are {wanted}.")
    return passed(f"{distinct} distinct users")
