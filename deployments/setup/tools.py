"""The programs: each from the first source that has it; what is missing is collected, not reported one by one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote

from deployments.setup.catalogue import TOOLS, Tool
from deployments.setup.console import Console
from deployments.setup.installed import Found, Rejected, find_installed, folders_to_search, judge
from deployments.setup.layout import Layout, platform_name
from deployments.setup.node_tools import provide_npm, provide_pnpm
from deployments.setup.problems import SetupProblem, ToolMissing
from deployments.setup.provider import provide_provider
from deployments.setup.release import fetch_release
from deployments.setup.system_packages import PackagesRefused, install_packages, privilege


def provide_tools(
    layout: Layout, environ: Mapping[str, str], console: Console, *, wheels: bool
) -> tuple[dict[str, Found], list[SetupProblem]]:
    """Find or install every tool and link it into `.tools/bin`.

    Without `wheels` (pip failed) the tools that come as wheels are left out where they are not installed: what is
    wrong there is pip, and that is reported already. Returns what was found and what is missing.
    """
    layout.bin.mkdir(parents=True, exist_ok=True)
    search = _Search(layout, environ)
    with console.step("tools of this machine"):
        for tool in TOOLS:
            search.look(tool, wheels=wheels)
    wanted = [tool for tool in TOOLS if tool.name not in search.found and (wheels or tool.wheel is None)]
    if any(tool.package for tool in wanted):
        search.install([tool for tool in wanted if tool.package], console)
    for tool in wanted:
        if tool.name not in search.found and tool.release is not None:
            with console.step(f"{tool.name} {tool.release.version}, its vendor's release"):
                search.download(tool)
    problems: list[SetupProblem] = [
        missing(tool, search.rejected.get(tool.name, []), search.refusals.get(tool.name, []))
        for tool in wanted
        if tool.name not in search.found
    ]
    link_tools(search.found, layout)
    problems += _provide_the_rest(search, console)
    return search.found, problems


def missing(tool: Tool, rejected: Sequence[Rejected], refusals: Sequence[str]) -> ToolMissing:
    """The sentence about a tool that no source has."""
    upper = f", older than {tool.below}" if tool.below else ""
    reasons = "; ".join([*(candidate.reason for candidate in rejected), *refusals]) or "it is not installed"
    return ToolMissing(
        f"{tool.name} ({tool.minimum} or newer{upper}) is missing: {reasons}. Install it with: {tool.by_hand}"
    )


def link_tools(found: Mapping[str, Found], layout: Layout) -> None:
    """Make `.tools/bin` hold one link a tool; links of earlier calls go."""
    for old in layout.bin.iterdir():
        old.unlink()
    for name, tool in found.items():
        (layout.bin / name).symlink_to(tool.path)
    if (terraform := found.get("terraform")) is not None and terraform.path.name == "tofu":
        (layout.bin / "tofu").symlink_to(terraform.path)


def wheel_program(path: Path, layout: Layout) -> Path:
    """A wheel's program as something that starts in any checkout.

    A script's first line names Python by path, which the system refuses when it holds a space or is long: such a
    script gets a wrapper, below `.tools/wheels`.
    """
    with path.open("rb") as program:
        if program.read(2) != b"#!":
            return path
    wrapper = layout.tools / "wheels" / path.name
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    wrapper.write_text(f'#!/bin/sh\nexec {quote(str(layout.python))} {quote(str(path))} "$@"\n')
    wrapper.chmod(0o755)
    return wrapper


class _Search:
    """What was found so far, and for what was not: which programs and sources were refused, and why."""

    def __init__(self, layout: Layout, environ: Mapping[str, str]) -> None:
        self.layout = layout
        self.environ = environ
        self.folders = folders_to_search(environ, ours=[layout.venv, layout.tools])
        self.found: dict[str, Found] = {}
        self.rejected: dict[str, list[Rejected]] = {}
        self.refusals: dict[str, list[str]] = {}

    def look(self, tool: Tool, *, wheels: bool) -> None:
        """Take a tool that is installed, else the one in the virtual environment."""
        found, self.rejected[tool.name] = find_installed(tool, self.folders, self.environ)
        if found is None and wheels and tool.wheel is not None:
            for path in sorted(self.layout.venv.glob(tool.wheel)):
                self._take(tool, judge(tool, wheel_program(path, self.layout), self.environ, "wheel"))
        elif found is not None:
            self.found[tool.name] = found

    def install(self, tools: Sequence[Tool], console: Console) -> None:
        """Install the packages of all these tools in one go, and look again."""
        packages = [tool.package for tool in tools if tool.package]
        try:
            privilege(self.environ)
            with console.step(f"system packages {' '.join(packages)}"):
                install_packages(packages, self.environ)
        except PackagesRefused as refusal:
            for tool in tools:
                self.refusals.setdefault(tool.name, []).append(str(refusal))
        for tool in tools:
            found, rejected = find_installed(tool, self.folders, self.environ, f"apt package {tool.package}")
            self.rejected[tool.name] = rejected
            if found is not None:
                self.found[tool.name] = found

    def download(self, tool: Tool) -> None:
        """Take the vendor's pinned release."""
        assert tool.release is not None
        folder = self.layout.tools / "releases" / f"{tool.name}-{tool.release.version}"
        try:
            program = fetch_release(tool.release, platform_name(), folder)
        except SetupProblem as refusal:
            self.refusals.setdefault(tool.name, []).append(str(refusal))
            return
        self._take(tool, judge(tool, program, self.environ, "vendor's release"))

    def _take(self, tool: Tool, answer: Found | Rejected) -> None:
        """Keep a tool that serves, or the reason why it does not."""
        if isinstance(answer, Found):
            self.found[tool.name] = answer
        else:
            self.rejected[tool.name].append(answer)


def _provide_the_rest(search: _Search, console: Console) -> list[SetupProblem]:
    """What stands on a tool: npm and pnpm on Node, the provider on Terraform; adds to what was found."""
    problems: list[SetupProblem] = []
    found, layout, environ = search.found, search.layout, search.environ
    if "node" in found:
        try:
            with console.step("npm and pnpm"):
                found |= provide_npm(found["node"], layout)
                found["pnpm"] = provide_pnpm(found["node"], layout.bin / "npm", layout, search.folders, environ)
        except SetupProblem as problem:
            problems.append(problem)
    if "terraform" in found:
        try:
            with console.step("AWS provider, with an init"):
                found["aws-provider"] = provide_provider(found["terraform"], layout, environ)
        except SetupProblem as problem:
            problems.append(problem)
    return problems
