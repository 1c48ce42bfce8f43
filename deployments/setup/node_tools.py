"""npm, npx and pnpm of the chosen Node, as wrappers that start that Node whatever PATH says."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from shlex import quote

from deployments.setup.catalogue import PNPM_INTEGRITY, PNPM_VERSION, Tool
from deployments.setup.installed import Found, find_installed
from deployments.setup.layout import Layout
from deployments.setup.problems import ToolMissing
from deployments.setup.processes import run

_NPM_LIMIT_S = 180.0
_VERSION_LIMIT_S = 30.0
_PNPM = Tool(name="pnpm", commands=("pnpm",), pattern=r"^(\d+\.\d+\.\d+)", minimum="9", by_hand="npm install -g pnpm")


def provide_npm(node: Found, layout: Layout) -> dict[str, Found]:
    """Write the wrappers of npm and npx; raises ToolMissing when npm does not start."""
    tools: dict[str, Found] = {}
    for name in ("npm", "npx"):
        wrapper = write_wrapper(layout, name, node.path, npm_script(node.path, name))
        answer = run([wrapper, "--version"], limit_s=_VERSION_LIMIT_S)
        version = _version_line(answer.output)
        if not answer.ok or not version:
            raise ToolMissing(f"{name} of Node {node.version} does not start:\n{answer.tail()}")
        tools[name] = Found(wrapper, version, node.source)
    return tools


def provide_pnpm(node: Found, npm: Path, layout: Layout, folders: list[Path], environ: Mapping[str, str]) -> Found:
    """The pnpm that is installed, or the pinned one from the npm registry; raises ToolMissing."""
    on_path = {**environ, "PATH": f"{layout.bin}:{environ.get('PATH', '')}", "COREPACK_ENABLE_NETWORK": "0"}
    installed, _ = find_installed(_PNPM, folders, on_path)
    if installed is not None:
        return Found(_wrap_installed(layout, node, installed.path), installed.version, installed.source)
    program = layout.tools / "pnpm" / "node_modules" / "pnpm" / "bin" / "pnpm.cjs"
    if not _is_pinned(program):
        _install_pnpm(npm, program.parents[3], environ)
    return Found(write_wrapper(layout, "pnpm", node.path, program), PNPM_VERSION, "npm registry")


def npm_script(node: Path, name: str) -> Path:
    """The program behind `npm` or `npx` beside a Node.

    The wheel has copies in `bin` that do not find their modules, so the package's own script is preferred.
    """
    script = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / f"{name}-cli.js"
    return script if script.is_file() else (node.parent / name).resolve()


def write_wrapper(layout: Layout, name: str, node: Path, program: Path) -> Path:
    """A script that starts a Node program with this Node first on PATH and the checkout's npm cache."""
    command = f"{quote(str(node))} {quote(str(program))}" if program.suffix in {".js", ".cjs"} else quote(str(program))
    wrapper = layout.bin / name
    wrapper.unlink(missing_ok=True)
    wrapper.write_text(
        "#!/bin/sh\n"
        f"# Made by make setup: {name} with the Node it was chosen for.\n"
        f'PATH={quote(str(layout.bin))}:"$PATH"\n'
        f': "${{npm_config_cache:={quote(str(layout.npm_cache))}}}"\n'
        "npm_config_update_notifier=false\n"
        "export PATH npm_config_cache npm_config_update_notifier\n"
        f'exec {command} "$@"\n'
    )
    wrapper.chmod(0o755)
    return wrapper


def _wrap_installed(layout: Layout, node: Found, program: Path) -> Path:
    """A wrapper for a pnpm of this machine; what it is, a script of Node or a program, is behind its link."""
    return write_wrapper(layout, "pnpm", node.path, program.resolve())


def _is_pinned(program: Path) -> bool:
    """Whether the pinned pnpm is there from an earlier call."""
    description = program.parent.parent / "package.json"
    if not program.is_file() or not description.is_file():
        return False
    version: object = json.loads(description.read_text()).get("version")
    return version == PNPM_VERSION


def _install_pnpm(npm: Path, folder: Path, environ: Mapping[str, str]) -> None:
    """Install pnpm through a lock file of ours, so that npm refuses any other content."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    wanted = {"dependencies": {"pnpm": PNPM_VERSION}}
    locked = {"version": PNPM_VERSION, "integrity": PNPM_INTEGRITY, "bin": {"pnpm": "bin/pnpm.cjs"}}
    lock = {"lockfileVersion": 3, "requires": True, "packages": {"": wanted, "node_modules/pnpm": locked}}
    (folder / "package.json").write_text(json.dumps({"private": True, **wanted}))
    (folder / "package-lock.json").write_text(json.dumps(lock))
    done = run([npm, "ci", "--no-audit", "--no-fund"], limit_s=_NPM_LIMIT_S, cwd=folder, env=environ)
    if not done.ok:
        raise ToolMissing(
            f"pnpm is missing: it is not installed and npm could not fetch pnpm {PNPM_VERSION}. "
            f"Install it with: npm install -g pnpm@{PNPM_VERSION}. The last lines of npm:\n{done.tail()}"
        )


def _version_line(output: str) -> str:
    """The last line of what `npm --version` prints: warnings about the user's configuration come before it."""
    lines = output.split()
    return lines[-1] if lines else ""
