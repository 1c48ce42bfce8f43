"""RECENT was recorded (its group renamed); the others are the kernel's wording in mm/oom_kill.c and mm/memcontrol.c."""

from datetime import UTC, datetime, timedelta

import pytest

from tasks.clients.sut import state_of
from tasks.rules.oom import ContainerState, KernelLog, oom_signal, parse_kills
from tasks.rules.triage import verdict_of

ID = "029aa79d5bb1c4f2" + "0" * 48
READ_AT = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
UPTIME_S = 1830.0
STAGE_STARTED = READ_AT - timedelta(seconds=60)

GROUP = "docker/029aa79d5bb1c4f2"
RECENT = (
    "[ 1811.714372] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,"
    f"oom_memcg=/{GROUP},task_memcg=/{GROUP},task=python,pid=24085,uid=0\n"
    "[ 1811.714390] Memory cgroup out of memory: Killed process 24085 (python) total-vm:81108kB, anon-rss:65152kB, "
    "file-rss:10212kB, shmem-rss:0kB, UID:0 pgtables:196kB oom_score_adj:0\n"
)
SYSTEMD = (
    "[ 1811.714372] oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=docker-029aa79d5bb1c4f2.scope,mems_allowed=0,"
    "global_oom,task_memcg=/system.slice/docker-029aa79d5bb1c4f2.scope,task=node,pid=24085,uid=1000\n"
    "[ 1811.714390] Out of memory: Killed process 24085 (node) total-vm:1181108kB, anon-rss:965152kB, file-rss:0kB, "
    "shmem-rss:0kB, UID:1000 pgtables:2196kB oom_score_adj:0\n"
)
OLD = (
    f"[ 1811.714372] Task in /{GROUP} killed as a result of limit of /{GROUP}\n"
    "[ 1811.714380] Memory cgroup out of memory: Kill process 24085 (java) score 1962 or sacrifice child\n"
    "[ 1811.714390] Killed process 24085 (java) total-vm:2581108kB, anon-rss:965152kB, file-rss:10212kB, shmem-rss:0kB\n"
)
JOURNAL = RECENT.replace("] ", "] sut kernel: ")


def log(text: str = "", reader: str = "sudo -n dmesg", skew_s: float = 0) -> KernelLog:
    return KernelLog(
        reader=reader, host_time=READ_AT + timedelta(seconds=skew_s), uptime_s=UPTIME_S, kills=parse_kills(text)
    )


def state(  # noqa: PLR0913 - a container's state
    name: str = "ebit-bet-1",
    id_: str = ID,
    *,
    running: bool = True,
    oom_killed: bool = False,
    exit_code: int = 0,
    finished_s: float | None = None,
) -> ContainerState:
    return ContainerState(
        id=id_, name=name, pid=24000 if running else 0, running=running, oom_killed=oom_killed, exit_code=exit_code,
        restarts=0, finished=None if finished_s is None else READ_AT - timedelta(seconds=finished_s),
    )  # fmt: skip


OTHER = state("ebit-api-1", "f" * 64)


@pytest.mark.parametrize(
    "text", [RECENT, SYSTEMD, OLD, JOURNAL], ids=["memory limit", "whole host", "before 4.19", "journalctl"]
)
def test_the_kernel_log_names_the_container_the_time_and_the_process(text: str) -> None:
    signal = oom_signal(log(text), [OTHER, state()], READ_AT, STAGE_STARTED)
    assert verdict_of(signal) == "matched"
    assert [subject.name for subject in signal.subjects if subject.over] == ["ebit-bet-1"]
    (killed,) = (subject for subject in signal.subjects if subject.over)
    assert killed.onset == READ_AT - timedelta(seconds=UPTIME_S - 1811.71439)
    assert "Kernel: Killed process 24085" in signal.evidence
    assert signal.query == "sudo -n dmesg; docker inspect"


def test_a_kill_before_the_stage_does_not_count() -> None:
    signal = oom_signal(log(RECENT), [state()], READ_AT, READ_AT - timedelta(seconds=10))
    assert verdict_of(signal) == "not matched"


def test_a_kill_outside_the_containers_is_told_and_not_matched() -> None:
    signal = oom_signal(log(RECENT), [OTHER], READ_AT, STAGE_STARTED)
    assert verdict_of(signal) == "not matched"
    assert "Outside the containers: Killed process 24085" in signal.evidence


def test_without_a_kernel_log_the_containers_state_matches() -> None:
    died = state(running=False, oom_killed=True, exit_code=137, finished_s=5)
    signal = oom_signal(log(reader=""), [OTHER, died], READ_AT, STAGE_STARTED)
    assert verdict_of(signal) == "matched"
    assert "ebit-bet-1 ended with 137, OOMKilled is set" in signal.evidence
    assert "cannot be read" in signal.problem


def test_without_a_kernel_log_healthy_containers_are_inconclusive() -> None:
    assert verdict_of(oom_signal(log(reader=""), [state()], READ_AT, STAGE_STARTED)) == "inconclusive"


def test_an_old_end_for_memory_does_not_count() -> None:
    died = state(running=False, oom_killed=True, exit_code=137, finished_s=90)
    assert verdict_of(oom_signal(log(), [died], READ_AT, STAGE_STARTED)) == "not matched"


def test_a_hosts_clock_that_is_off_does_not_move_an_end() -> None:
    died = state(running=False, oom_killed=True, exit_code=137, finished_s=90)
    behind = oom_signal(log(skew_s=-80), [died], READ_AT, STAGE_STARTED)
    assert verdict_of(behind) == "matched"
    ahead = died.model_copy(update={"finished": READ_AT + timedelta(seconds=20)})
    assert verdict_of(oom_signal(log(skew_s=100), [ahead], READ_AT, STAGE_STARTED)) == "not matched"


def test_a_kill_by_hand_is_told_from_one_for_memory() -> None:
    died = state(running=False, exit_code=137, finished_s=5)
    signal = oom_signal(log(), [died], READ_AT, STAGE_STARTED)
    assert verdict_of(signal) == "not matched"
    assert "nothing says that it was for memory" in signal.evidence


def test_no_container_at_all_is_inconclusive() -> None:
    assert verdict_of(oom_signal(log(), [], READ_AT, STAGE_STARTED)) == "inconclusive"


def test_docker_inspect_is_read_with_nanoseconds_and_without_an_end() -> None:
    inspected = {
        "Id": ID, "Name": "/ebit-bet-1", "RestartCount": 2,
        "State": {
            "Status": "exited", "Running": False, "OOMKilled": True, "Dead": False, "Pid": 0, "ExitCode": 137, "Error": "",
            "StartedAt": "2026-11-25T01:00:00.123456789Z", "FinishedAt": "2026-11-25T01:59:55.987654321Z",
        },
    }  # fmt: skip
    read = state_of(inspected)
    assert read.finished == datetime(2026, 11, 25, 1, 59, 55, 987654, tzinfo=UTC)
    assert (read.name, read.oom_killed, read.exit_code, read.restarts) == ("ebit-bet-1", True, 137, 2)
    inspected["State"] = {**inspected["State"], "FinishedAt": "0001-01-01T00:00:00Z"}  # type: ignore[dict-item]
    assert state_of(inspected).finished is None
