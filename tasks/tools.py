"""The worker's tools and the variables file, as the checklist asks for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prefect import task

from blocks.models.errors import RampartError, Refused
from blocks.models.verdict import Judgement, failed, passed
from tasks.account import detect_address
from tasks.clients.browser import find_chromium
from tasks.clients.processes import run_command
from tasks.clients.scripts import binary_architecture
from tasks.images import engine_of
from tasks.infrastructure import terraform_of
from tasks.load import read_smoke_options
from tasks.rules.tfvars import judge_tfvars, read_tfvars
from tasks.run import Run

# The seed script needs Node's type stripping and fetch of this major version (checklist).
_NODE_MAJOR = 22


@dataclass(frozen=True)
class Tool:
    """A tool on the worker: its version, or why it cannot be used."""

    name: str
    version: str
    problem: str = ""


@task
def read_and_judge_tfvars(run: Run) -> Judgement:
    """Parse terraform.tfvars of the checkout and judge whom it lets in."""
    terraform_of(run)
    directory = run.environment.checkout / run.environment.terraform_directory
    file = directory / "terraform.tfvars"
    if not file.is_file():
        example = (
            "copy terraform.tfvars.example and edit it"
            if (directory / "terraform.tfvars.example").is_file()
            else "write one"
        )
        raise Refused(f"{run.environment.terraform_directory}/terraform.tfvars is missing; {example}.")
    values = read_tfvars(file.read_text())
    detected = None if values.get("admin_cidrs") else detect_address(run)
    if detected is not None:
        run.journal.append("preflight", "fact", detected_address=detected)
    return judge_tfvars(values, detected)


@task
def read_tools(run: Run) -> tuple[Tool, ...]:
    """Return the version of every tool the run needs, and keep them in the record."""
    environment = run.environment
    found = [
        _tool("awscli", lambda: _version("aws", "--version")),
        _tool("docker", lambda: engine_of(run).version()),
        _tool("terraform", lambda: terraform_of(run).version()),
        _tool("k6", lambda: _version(environment.k6_command, "version")),
        _tool("k6 for the load generators", lambda: binary_architecture(environment.loadgen_k6_binary)),
        _tool("node", _node),
        _tool("pnpm", lambda: _version("pnpm", "--version")),
        _tool("chromium", find_chromium),
    ]
    for tool in found:
        run.journal.append("preflight", "version", name=tool.name, version=tool.version or tool.problem)
    return tuple(found)


@task
def read_missing_inputs(run: Run) -> tuple[str, ...]:
    """Return a sentence for each file that provisioning or the smoke test would miss, or could not use."""
    environment, users = run.environment, run.profile.users
    named = [
        ("ssh.private_key", environment.ssh.private_key.expanduser()),
        ("ssh.known_hosts", environment.ssh.known_hosts and environment.ssh.known_hosts.expanduser()),
        ("users.script", environment.checkout / users.script),
        *(
            (f"the Dockerfile of {image.repository}", environment.checkout / image.dockerfile)
            for image in environment.images
        ),
    ]
    missing = [
        f"{name} {file} is missing; add it, or correct the block" for name, file in named if file and not file.is_file()
    ]
    try:
        read_smoke_options(run)
    except RampartError as error:
        missing.append(str(error).rstrip("."))
    return tuple(missing)


def judge_tools(tools: tuple[Tool, ...], missing: tuple[str, ...], architecture: str) -> Judgement:
    """Judge whether every tool and file is there, and k6 fits the load generators.

    Args:
        tools: the tools.
        missing: a sentence for each file that is missing.
        architecture: of the planned instances.
    """
    problems = [*(f"{tool.name}: {tool.problem}" for tool in tools if tool.problem), *missing]
    binary = next(tool for tool in tools if tool.name == "k6 for the load generators")
    if not binary.problem and binary.version != architecture:
        problems.append(
            f"the load generators' k6 is for {binary.version}, the planned instances are {architecture}: get k6 for {architecture}"
        )
    if problems:
        return failed("; ".join(problems))
    return passed("; ".join(f"{tool.name} {tool.version}" for tool in tools))


def _tool(name: str, read: Callable[[], str]) -> Tool:
    try:
        return Tool(name, str(read()))
    except RampartError as error:
        return Tool(name, "", str(error))


def _version(command: str, argument: str) -> str:
    completed = run_command([command, argument], timeout_s=30.0)
    if completed.code != 0:
        raise Refused(f"'{command} {argument}' ended with {completed.code}: {completed.last_line}")
    return (completed.stdout or completed.stderr).strip().splitlines()[0]


def _node() -> str:
    version = _version("node", "--version")
    if int(version.lstrip("v").partition(".")[0]) < _NODE_MAJOR:
        raise Refused(f"version {version}, wanted is {_NODE_MAJOR} or newer")
    return version
