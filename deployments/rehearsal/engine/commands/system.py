"""`docker version`, `docker info`."""

from __future__ import annotations

import os
import platform
from typing import Any

from deployments.rehearsal.engine.architecture import host_architecture
from deployments.rehearsal.engine.arguments import Arguments
from deployments.rehearsal.engine.cgroups import Group, probe
from deployments.rehearsal.engine.containers import all_containers
from deployments.rehearsal.engine.errors import EngineError
from deployments.rehearsal.engine.home import home_from_environment
from deployments.rehearsal.engine.images import ImageStore
from deployments.rehearsal.engine.output import out
from deployments.rehearsal.engine.procfs import total_memory_bytes
from deployments.rehearsal.engine.template import render

VERSION = "28.2.2-standin"
"""The docker release whose output is imitated; no engine of that version runs."""

PLATFORM_NAME = "Stand-in engine (rehearsal only)"
_API_VERSION = "1.50"


def version(words: list[str]) -> None:
    """`docker version`."""
    arguments = Arguments("version")
    arguments.value("-f", "--format")
    options = arguments.parse_args(words)
    home_from_environment()
    common = {
        "Version": VERSION,
        "ApiVersion": _API_VERSION,
        "Os": "linux",
        "Arch": host_architecture(),
        "GitCommit": "rehearsal",
        "GoVersion": "",
        "BuildTime": "",
    }
    server = common | {
        "Platform": {"Name": PLATFORM_NAME},
        "MinAPIVersion": _API_VERSION,
        "KernelVersion": platform.release(),
        "Experimental": False,
        "Components": [{"Name": PLATFORM_NAME, "Version": VERSION, "Details": {}}],
    }
    shown = {"Client": common | {"Platform": {"Name": PLATFORM_NAME}, "Context": "default"}, "Server": server}
    if options.format:
        out(render(options.format, shown))
        return
    for side, facts in (("Client", common), (f"Server: {PLATFORM_NAME}\n Engine", common)):
        out(f"{side}:")
        for label, key in (("Version", "Version"), ("API version", "ApiVersion"), ("Git commit", "GitCommit")):
            out(f"  {label + ':':<18}{facts[key]}")
        out(f"  {'OS/Arch:':<18}linux/{host_architecture()}\n")


def short_version(_words: list[str]) -> None:
    """`docker --version`."""
    out(f"Docker version {VERSION}, build rehearsal")


def info(words: list[str]) -> None:
    """`docker info`, with what cannot be enforced here under Warnings."""
    arguments = Arguments("info")
    arguments.value("-f", "--format")
    options = arguments.parse_args(words)
    shown = _info()
    if options.format:
        out(render(options.format, shown))
        return
    out(f"Client:\n Version:    {VERSION}\n Context:    default\n Debug Mode: false\n\nServer:")
    for label, key in (
        ("Containers", "Containers"),
        ("  Running", "ContainersRunning"),
        ("  Stopped", "ContainersStopped"),
        ("Images", "Images"),
        ("Server Version", "ServerVersion"),
        ("Storage Driver", "Driver"),
        ("Cgroup Driver", "CgroupDriver"),
        ("Cgroup Version", "CgroupVersion"),
        ("Kernel Version", "KernelVersion"),
        ("Operating System", "OperatingSystem"),
        ("OSType", "OSType"),
        ("Architecture", "Architecture"),
        ("CPUs", "NCPU"),
        ("Total Memory", "MemTotal"),
        ("Name", "Name"),
        ("Docker Root Dir", "DockerRootDir"),
    ):
        out(f" {label}: {shown[key]}")
    for warning in shown["Warnings"]:
        out(warning)


def _info() -> dict[str, Any]:
    home = home_from_environment()
    try:
        running = [container.state().running for container in all_containers(home)]
    except OSError as error:
        raise EngineError(f"Cannot read the engine's folder {home.root}: {error.strerror}") from error
    group = probe()
    return {
        "ID": "stand-in",
        "Containers": len(running),
        "ContainersRunning": sum(running),
        "ContainersPaused": 0,
        "ContainersStopped": len(running) - sum(running),
        "Images": len(ImageStore(home).all()),
        "Driver": "folders",
        "MemoryLimit": group.memory_limit_bytes > 0,
        "SwapLimit": group.memory_limit_bytes > 0,
        "CpuCfsPeriod": group.cpu_quota_us > 0,
        "CpuCfsQuota": group.cpu_quota_us > 0,
        "OomKillDisable": False,
        "CgroupDriver": "cgroupfs" if group.version else "none",
        "CgroupVersion": str(group.version or ""),
        "KernelVersion": platform.release(),
        "OperatingSystem": PLATFORM_NAME,
        "OSType": "linux",
        "Architecture": platform.machine(),
        "NCPU": os.cpu_count(),
        "MemTotal": total_memory_bytes(),
        "Name": platform.node(),
        "ServerVersion": VERSION,
        "DockerRootDir": str(home.root),
        "Warnings": _warnings(group),
    }


def _warnings(group: Group) -> list[str]:
    warnings = []
    if not group.memory_limit_bytes:
        warnings.append("WARNING: No memory limit support")
    if not group.cpu_quota_us:
        warnings.append("WARNING: No cpu cfs quota support")
    warnings.append(
        "WARNING: stand-in engine: containers are processes of this host; restart policies are not followed"
    )
    return warnings
