"""Kills for memory: what the kernel's log and the container's state say about the time since a stage began."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from blocks.models.triage import Frozen, Measure, Signal, Subject

# The exit code of a container whose first process got SIGKILL: 128 + 9.
_SIGKILLED = 137
_SHORT_ID = 12

# Kernel wording since 4.19 (mm/oom_kill.c, dump_oom_victim) and before it (mm/memcontrol.c).
_CGROUP = re.compile(r"oom-kill:.*task_memcg=(?P<new>[^,]*)|Task in (?P<old>\S+) killed as a result of limit of")
_KILLED = re.compile(r"^\[\s*(?P<uptime>\d+\.\d+)\].*?(?P<text>Killed process (?P<pid>\d+) \(.*)$")


class OomKill(Frozen):
    """A process that the kernel killed for memory."""

    uptime_s: float
    """Seconds from the host's boot to the kill."""
    cgroup: str
    """The control group of the process; empty when the kernel did not say."""
    pid: int
    text: str
    """The kernel's own words."""


class KernelLog(Frozen):
    """What a host's kernel log says about kills for memory."""

    reader: str
    """The command that could read it; empty = none could."""
    host_time: datetime
    """The host's clock when it was read."""
    uptime_s: float
    """Seconds since the host's boot when it was read."""
    kills: tuple[OomKill, ...] = ()


class ContainerState(Frozen):
    """A container as the engine inspects it."""

    id: str
    name: str
    pid: int
    """Of its first process; 0 when it does not run."""
    running: bool
    oom_killed: bool
    exit_code: int
    restarts: int
    finished: datetime | None
    """When it ended last, by the host's clock; None = never."""


def parse_kills(text: str) -> tuple[OomKill, ...]:
    """Read the kills from lines of the kernel log with seconds since boot in front (dmesg, journalctl -o short-monotonic)."""
    cgroup, found = "", []
    for line in text.splitlines():
        if named := _CGROUP.search(line):
            cgroup = named["new"] or named["old"]
        elif killed := _KILLED.match(line):
            found.append(
                OomKill(uptime_s=float(killed["uptime"]), cgroup=cgroup, pid=int(killed["pid"]), text=killed["text"])
            )
    return tuple(found)


def oom_signal(log: KernelLog, states: Sequence[ContainerState], read_at: datetime, stage_started: datetime) -> Signal:
    """Judge whether containers were killed for memory since a stage began.

    Args:
        log: the host's kernel log.
        states: the system's containers.
        read_at: when both were read, by our own clock: the host's may be off.
        stage_started: when the stage began, by our own clock.
    """
    skew = log.host_time - read_at
    began = read_at - timedelta(seconds=log.uptime_s)
    recent = [(began + timedelta(seconds=kill.uptime_s), kill) for kill in log.kills]
    recent = [(at, kill) for at, kill in recent if at >= stage_started]
    subjects, sentences, problems = [], [], []
    for state in states:
        kills = [(at, kill) for at, kill in recent if _belongs(kill, state)]
        ended = state.finished - skew if state.finished else None
        ended = ended if ended is not None and ended >= stage_started else None
        if kills or (state.oom_killed and ended):
            onset = kills[0][0] if kills else ended
            subjects.append(_subject(state.name, max(1, len(kills)), onset))
            sentences.append(_how(state, kills[-1][1].text if kills else ""))
        else:
            subjects.append(_subject(state.name, 0, None))
            if ended and state.exit_code == _SIGKILLED:
                sentences.append(
                    f"{state.name} ended with {_SIGKILLED} (SIGKILL), and nothing says that it was for memory."
                )
            if not log.reader and (state.oom_killed or (ended and state.exit_code == _SIGKILLED)):
                problems.append(f"Whether {state.name} was killed for memory in this stage cannot be told.")
    others = [kill.text for _, kill in recent if not any(_belongs(kill, state) for state in states)]
    sentences += [f"Outside the containers: {text}." for text in others]
    if not log.reader:
        problems.insert(0, "The kernel log of the SUT cannot be read: allow the login sudo dmesg, or journalctl -k.")
    if not states:
        problems.append("The SUT shows no containers.")
    return Signal(
        row="oom-kill",
        query=f"{log.reader or 'sudo -n dmesg'}; docker inspect",
        subjects=tuple(subjects),
        problem=" ".join(problems),
        evidence=" ".join(sentences),
    )


def _belongs(kill: OomKill, state: ContainerState) -> bool:
    return state.id[:_SHORT_ID] in kill.cgroup or (not kill.cgroup and kill.pid == state.pid)


def _subject(name: str, kills: int, onset: datetime | None) -> Subject:
    return Subject(
        name=name,
        measures=(
            Measure(name="kills for memory since the stage began", unit="kills", observed=kills, limit=0, onset=onset),
        ),
    )


def _how(state: ContainerState, text: str) -> str:
    now = "runs again" if state.running else f"ended with {state.exit_code}"
    flag = ", OOMKilled is set" if state.oom_killed else ""
    return f"{state.name} {now}{flag}, {state.restarts} restarts." + (f" Kernel: {text}." if text else "")
