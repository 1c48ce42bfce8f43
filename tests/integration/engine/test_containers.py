from __future__ import annotations

import json
import os
import signal
import urllib.request
from pathlib import Path

import pytest

from deployments.rehearsal.engine.architecture import host_architecture
from deployments.rehearsal.engine.cgroups import Group
from tests.integration.engine.conftest import Host, until

pytestmark = pytest.mark.integration

WEB = "throwaway-web-1"


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def rows(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_up_wait_returns_when_the_service_is_healthy(built: Host) -> None:
    built.ok("compose", "up", "-d", "--wait", "--wait-timeout", "30")
    with urllib.request.urlopen(f"http://127.0.0.1:{built.env['PORT']}") as answer:
        assert answer.read() == b"ok"
    [web] = rows(built.ok("compose", "ps", "web", "--format", "json"))
    assert (web["State"], web["Health"], web["Service"], web["Name"]) == ("running", "healthy", "web", WEB)
    pids = [built.inspect(name)["State"]["Pid"] for name in (WEB, "throwaway-burner-1")]
    built.ok("compose", "up", "-d")
    assert [built.inspect(name)["State"]["Pid"] for name in (WEB, "throwaway-burner-1")] == pids


def test_up_wait_fails_for_a_service_that_ends(built: Host) -> None:
    (built.folder / "override.yml").write_text('services: {web: {command: ["sh", "-c", "exit 3"]}}')
    done = built.docker("compose", "-f", "docker-compose.yml", "-f", "override.yml", "up", "-d", "--wait")
    assert done.returncode == 1
    assert f"container {WEB} exited (3)" in done.stderr


def test_a_missing_required_variable_fails_before_anything_starts(built: Host) -> None:
    del built.env["IMAGE"]
    done = built.docker("compose", "up", "-d")
    assert done.returncode == 1
    assert "required variable IMAGE is missing a value" in done.stderr
    assert built.ok("ps", "-aq") == ""


def test_exec_keeps_exit_code_and_streams_apart(built: Host) -> None:
    built.ok("compose", "up", "-d", "--no-deps", "web")
    code = "import os,sys; print(os.environ['GREETING'], sys.stdin.read()); print('e', file=sys.stderr); sys.exit(7)"
    done = built.docker("compose", "exec", "-T", "web", "python", "-c", code, stdin="in")
    assert (done.returncode, done.stdout, done.stderr) == (7, "hello in\n", "e\n")
    assert built.docker("exec", WEB, "no-such-program").returncode == 127
    assert built.docker("compose", "exec", "-T", "nobody", "true").returncode == 1


def test_a_container_sees_its_own_variables_only(built: Host) -> None:
    built.env["CANARY"] = "not for containers"
    built.ok("compose", "up", "-d", "--no-deps", "web")
    seen = Path(f"/proc/{built.inspect(WEB)['State']['Pid']}/environ").read_bytes()
    assert b"GREETING=hello" in seen
    assert b"CANARY" not in seen


def test_a_killed_container_is_exited_with_its_code(built: Host) -> None:
    built.ok("compose", "up", "-d", "--no-deps", "web")
    built.ok("kill", WEB)
    [web] = rows(built.ok("ps", "-a", "--filter", "label=com.docker.compose.service=web", "--format", "{{json .}}"))
    assert web["State"] == "exited"
    assert str(web["Status"]).startswith("Exited (137)")
    assert built.ok("ps", "--filter", "label=com.docker.compose.service=web", "-q") == ""
    state = built.inspect(WEB)["State"]
    assert (state["ExitCode"], state["Running"], state["OOMKilled"]) == (137, False, False)


def test_restart_gives_a_new_process(built: Host) -> None:
    built.ok("compose", "up", "-d", "--no-deps", "--wait", "web")
    before = built.inspect(WEB)["State"]
    built.ok("compose", "restart", "web")
    after = built.inspect(WEB)["State"]
    assert after["Running"]
    assert after["Pid"] != before["Pid"]
    assert after["StartedAt"] > before["StartedAt"]


def test_logs_keep_streams_and_times(built: Host) -> None:
    built.ok("compose", "up", "-d", "--no-deps", "--wait", "web")
    done = built.docker("logs", WEB)
    assert (done.stdout, done.stderr) == ("listening\n", "to stderr\n")
    lines = built.ok("compose", "logs", "--no-color", "--timestamps", "--tail", "1", "web").splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("web-1  | 20")


def test_down_leaves_no_process_and_no_control_group(built: Host) -> None:
    (built.folder / "tiny" / "burn.py").write_text(
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    built.ok("build", "-q", "-t", "tiny:1", ".")
    built.ok("compose", "up", "-d", "--wait")
    until(lambda: built.ok("logs", "throwaway-burner-1"))
    escaped = int(built.ok("logs", "throwaway-burner-1"))
    pids = [built.inspect(name)["State"]["Pid"] for name in (WEB, "throwaway-burner-1")]
    records = [json.loads(path.read_text()) for path in built.root.glob("containers/*/state.json")]
    shims = [record["shim_pid"] for record in records]
    groups = [Path(group) for record in records for group in record["joined"]]
    assert all(alive(pid) for pid in (*pids, escaped, *shims))
    built.ok("compose", "down", "-v")
    assert not [pid for pid in (*pids, escaped, *shims) if alive(pid)]
    assert not [group for group in groups if group.exists()]
    assert built.ok("ps", "-aq") == ""


def test_a_container_without_its_shim_can_still_be_removed(built: Host) -> None:
    built.ok("compose", "up", "-d", "--no-deps", "web")
    pid = built.inspect(WEB)["State"]["Pid"]
    [record] = [json.loads(path.read_text()) for path in built.root.glob("containers/*/state.json")]
    os.kill(record["shim_pid"], signal.SIGKILL)
    until(lambda: not alive(record["shim_pid"]))
    built.ok("rm", "-f", WEB)
    assert not alive(pid)


def test_a_memory_limit_really_kills(built: Host, enforced: Group) -> None:
    built.ok("compose", "up", "-d", "--no-deps", "--wait", "web")
    limit = built.inspect(WEB)["HostConfig"]["Memory"]
    if not enforced.memory_limit_bytes:
        assert limit == 0
        assert "No memory limit support" in built.ok("info")
        return
    assert limit == 64 * 1024 * 1024
    with pytest.raises(OSError, match=r"."):
        urllib.request.urlopen(f"http://127.0.0.1:{built.env['PORT']}/eat", timeout=20)
    until(lambda: not built.inspect(WEB)["State"]["Running"])
    state = built.inspect(WEB)["State"]
    assert (state["OOMKilled"], state["ExitCode"], state["Status"]) == (True, 137, "exited")
    built.ok("compose", "up", "-d", "--no-deps", "--wait", "web")
    assert built.inspect(WEB)["State"]["OOMKilled"] is False


@pytest.mark.parametrize(("cpus", "low", "high"), [("2", 80, 110), ("0.3", 20, 40)])
def test_stats_show_what_a_burner_uses(built: Host, enforced: Group, cpus: str, low: float, high: float) -> None:
    built.env["CPUS"] = cpus
    built.ok("compose", "up", "-d", "burner")
    if not enforced.cpu_quota_us:
        low, high = 80, 110

    def shown() -> float:
        [row] = rows(built.ok("stats", "--no-stream", "--format", "{{json .}}"))
        assert str(row["MemUsage"]).count("iB") == 2
        return float(str(row["CPUPerc"]).rstrip("%"))

    # Repeated, because other work on the machine may take the burner's core for a while.
    until(lambda: low < shown() < high, within_s=30)


def test_an_image_for_another_architecture_does_not_run(built: Host) -> None:
    other = "amd64" if host_architecture() == "arm64" else "arm64"
    built.ok("build", "-q", "--platform", f"linux/{other}", "-t", "tiny:1", ".")
    built.ok("compose", "up", "-d", "--no-deps", "web")
    assert built.inspect(WEB)["State"]["ExitCode"] == 255
    assert "exec format error" in built.docker("logs", WEB).stderr


def test_a_changed_image_recreates_the_container(built: Host) -> None:
    built.ok("compose", "up", "-d", "--no-deps", "web")
    before = built.inspect(WEB)
    (built.folder / "tiny" / "new.py").write_text("")
    built.ok("build", "-q", "-t", "tiny:1", ".")
    built.ok("compose", "up", "-d", "--no-deps", "web")
    after = built.inspect(WEB)
    assert before["Id"] != after["Id"]
    assert before["Image"] != after["Image"]
    assert not alive(before["State"]["Pid"])


def test_a_missing_command_fails_the_start(built: Host) -> None:
    (built.folder / "override.yml").write_text('services: {web: {command: ["no-such-program"]}}')
    done = built.docker("compose", "-f", "docker-compose.yml", "-f", "override.yml", "up", "-d", "--no-deps", "web")
    assert done.returncode == 127
    assert "executable file not found in $PATH" in done.stderr
