"""The product's Terraform client with the real Terraform; a module without a provider is enough."""

import getpass
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import psutil
import pytest

from blocks.models.errors import Unavailable
from tasks.clients.terraform import StateLocked, StateOfAnotherRun, StateUnreadable, Terraform
from tasks.rules.ownership import Ownership
from tests.integration.cloud.conftest import ROOT
from tests.integration.serving import serving

pytestmark = [
    pytest.mark.integration,
    # The handle of a detached command is dropped on purpose: the command outlives its starter.
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]

RUN = "11111111-aaaa"
# The second resource is being made until somebody interrupts; its destruction takes as long as a file is missing.
MODULE = """
terraform {
  backend "%s" {%s}
}
resource "terraform_data" "first" {}
resource "terraform_data" "second" {
  depends_on = [terraform_data.first]
  input      = path.module
  provisioner "local-exec" {
    command = "touch making; until [ -e made ]; do sleep 0.05; done"
  }
  provisioner "local-exec" {
    when    = destroy
    command = "echo x >> ${self.input}/destroying; until [ -e ${self.input}/gone ]; do sleep 0.05; done"
  }
}
"""


def module(tmp_path: Path, backend: str = "local", settings: str = "", *, quick: bool = True) -> Terraform:
    folder = tmp_path / "module"
    folder.mkdir()
    (folder / "main.tf").write_text(MODULE % (backend, settings), encoding="utf-8")
    if quick:
        for name in ("made", "gone"):
            (folder / name).touch()
    terraform = Terraform(folder, tmp_path / "work", {"TF_CLI_CONFIG_FILE": os.devnull}, "terraform", 10)
    terraform.lock_timeout = "1s"
    terraform.init()
    return terraform


def applied(terraform: Terraform) -> None:
    terraform.plan()
    terraform.apply(ignore)
    assert terraform.state_addresses() == ("terraform_data.first", "terraform_data.second")


def apply_in_a_killed_worker(terraform: Terraform) -> None:
    """Apply from another process, and kill that process while Terraform is making something."""
    terraform.plan()
    program = (
        "import sys; from pathlib import Path; from tasks.clients.terraform import Terraform\n"
        "Terraform(Path(sys.argv[1]), Path(sys.argv[2]), {'TF_CLI_CONFIG_FILE': '/dev/null'}, 'terraform', 10)"
        ".apply(lambda _: None)"
    )
    with subprocess.Popen([sys.executable, "-c", program, terraform.directory, terraform.work], cwd=ROOT) as worker:
        until((terraform.directory / "making").exists)
        worker.kill()


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def ignore(_: dict[str, Any]) -> None:
    pass


def test_a_destroy_ends_the_apply_of_a_dead_worker_and_takes_down_what_it_made(tmp_path: Path) -> None:
    terraform = module(tmp_path, quick=False)
    apply_in_a_killed_worker(terraform)
    (terraform.directory / "gone").touch()
    terraform.destroy(RUN, ignore)
    assert terraform.state_addresses() == ()
    said = (terraform.work / "apply" / "log").read_text(encoding="utf-8")
    assert "Interrupt received" in said
    assert "Two interrupts received" not in said


def test_a_live_destroy_is_waited_for_and_no_second_one_is_started(tmp_path: Path) -> None:
    terraform = module(tmp_path, quick=False)
    (terraform.directory / "made").touch()
    applied(terraform)
    first = Thread(target=terraform.destroy, args=(RUN, ignore))
    first.start()
    until((terraform.directory / "destroying").exists)
    seen: list[dict[str, Any]] = []
    again = Terraform(terraform.directory, terraform.work, terraform.environment, "terraform", 10)
    second = Thread(target=again.destroy, args=(RUN, seen.append))
    second.start()
    until(lambda: any(event.get("type") == "apply_start" for event in seen))
    (terraform.directory / "gone").touch()
    for thread in (first, second):
        thread.join(60)
    assert (terraform.directory / "destroying").read_text(encoding="utf-8") == "x\n"
    assert any(event.get("type") == "apply_complete" for event in seen)
    assert again.state_addresses() == ()


def test_a_killed_apply_does_not_keep_the_destroy(tmp_path: Path) -> None:
    terraform = module(tmp_path, quick=False)
    apply_in_a_killed_worker(terraform)
    os.killpg(int((terraform.work / "apply" / "pid").read_text(encoding="utf-8").split()[0]), signal.SIGKILL)
    (terraform.directory / "gone").touch()
    terraform.destroy(RUN, ignore)
    assert terraform.state_addresses() == ()


def test_a_corrupt_state_is_kept_as_evidence_and_out_of_the_next_runs_way(tmp_path: Path) -> None:
    terraform = module(tmp_path)
    applied(terraform)
    (terraform.directory / "terraform.tfstate").write_text('{"version": 4, "reso', encoding="utf-8")
    with pytest.raises(StateUnreadable, match=r"Terraform cannot read its state: .* left to the sweep\. .* is kept as"):
        terraform.destroy(RUN, ignore)
    (kept,) = terraform.work.glob("unreadable-*.tfstate")
    assert kept.read_text(encoding="utf-8") == '{"version": 4, "reso'
    assert kept.stat().st_mode & 0o777 == 0o600
    assert terraform.state_addresses() == ()


@pytest.mark.parametrize("content", [None, ""])
def test_a_missing_or_empty_state_is_nothing_to_destroy(tmp_path: Path, content: str | None) -> None:
    terraform = module(tmp_path)
    applied(terraform)
    state = terraform.directory / "terraform.tfstate"
    state.unlink()
    if content is not None:
        state.write_text(content, encoding="utf-8")
    terraform.destroy(RUN, ignore)
    assert terraform.state_addresses() == ()


def test_what_another_run_applied_is_not_destroyed(tmp_path: Path) -> None:
    terraform = module(tmp_path)
    applied(terraform)
    state = terraform.directory / "terraform.tfstate"
    content = json.loads(state.read_text(encoding="utf-8"))
    tags = {"tags_all": {"rampart_run_id": "another"}}
    content["resources"][0]["instances"][0]["attributes"] |= tags
    state.write_text(json.dumps(content), encoding="utf-8")
    before = state.read_bytes()
    with pytest.raises(StateOfAnotherRun, match=f"holds resources of run another, not only of run {RUN}; nothing was"):
        terraform.destroy(RUN, ignore)
    assert state.read_bytes() == before


@pytest.mark.parametrize("content", [None, '{"version": 4, "reso'], ids=["by hand", "unreadable"])
def test_a_run_that_applied_nothing_leaves_the_state_alone(tmp_path: Path, content: str | None) -> None:
    terraform = module(tmp_path)
    subprocess.run(["terraform", "apply", "-auto-approve"], cwd=terraform.directory, check=True, capture_output=True)
    state = terraform.directory / "terraform.tfstate"
    if content is not None:
        state.write_text(content, encoding="utf-8")
    before = state.read_bytes()
    terraform.destroy(RUN, ignore)
    assert state.read_bytes() == before
    assert not (terraform.work / "destroy").exists()
    owner, why = terraform.ownership(RUN)
    assert owner is Ownership.NOTHING
    assert why.startswith("this run applied nothing; the state ")


def test_a_module_that_was_never_prepared_has_nothing_to_destroy(tmp_path: Path) -> None:
    terraform = Terraform(tmp_path, tmp_path / "work", {}, "terraform", 10)
    terraform.destroy(RUN, ignore)
    assert terraform.state_addresses() == ()


def test_a_module_named_data_is_in_the_state_as_any_other(tmp_path: Path) -> None:
    terraform = module(tmp_path)
    inner = terraform.directory / "inner"
    inner.mkdir()
    (inner / "main.tf").write_text(
        'resource "terraform_data" "kept" {\n  for_each = toset(["a"])\n}\n'
        'data "terraform_remote_state" "read" {\n  backend = "local"\n  config = { path = "${path.module}/other" }\n}\n',
        encoding="utf-8",
    )
    (inner / "other").write_text('{"version": 4, "terraform_version": "1.0.0", "outputs": {}}', encoding="utf-8")
    (terraform.directory / "main.tf").write_text(
        'terraform {\n  backend "local" {}\n}\nmodule "data" {\n  source = "./inner"\n}\n', encoding="utf-8"
    )
    terraform.init()
    terraform.plan()
    terraform.apply(ignore)
    listed = subprocess.run(
        ["terraform", "state", "list"], cwd=terraform.directory, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert listed == ["module.data.data.terraform_remote_state.read", *terraform.state_addresses()]
    assert terraform.state_addresses() == ('module.data.terraform_data.kept["a"]',)


@contextmanager
def remote_state(readable: Event | None = None) -> Iterator[tuple[str, list[str]]]:
    """Keep a state over HTTP; gives the address and the methods that were asked for.

    With an event, a read of the state takes until it is set.
    """
    held: str | None = None
    state: bytes | None = None
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            nonlocal held, state
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(self.command)
            status, answer = 200, b""
            if self.command == "GET" and readable:
                readable.wait(60)
            if self.command == "LOCK":
                if held:
                    status, answer = 423, held.encode()
                else:
                    held = body.decode()
            elif self.command == "UNLOCK":
                # Terraform also sends one for a lock that it did not get; by force, it names none.
                if body and held and json.loads(body)["ID"] != json.loads(held)["ID"]:
                    status = 409
                else:
                    held = None
            elif self.command == "POST":
                state = body
            elif state is None:
                status = 404
            else:
                answer = state
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_LOCK = do_UNLOCK = _serve  # noqa: N815 - names of the standard library

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as address:
        yield address, asked


def settings(address: str) -> str:
    return f'\naddress = "{address}"\nlock_address = "{address}"\nunlock_address = "{address}"\n'


def lock(who: str) -> dict[str, str]:
    created = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return {
        "ID": "7f9a", "Operation": "OperationTypeApply", "Info": "", "Who": who, "Version": "1.11.4",
        "Created": created, "Path": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    "who",
    ["somebody@elsewhere", f"{getpass.getuser()}@{socket.gethostname()}"],
    ids=["elsewhere", "here, but not this run's"],
)
def test_the_lock_of_somebody_else_is_not_broken(tmp_path: Path, who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.clients.terraform._PAUSES_S", (0.1,))
    with remote_state() as (address, _):
        terraform = module(tmp_path, "http", settings(address))
        applied(terraform)
        httpx.request("LOCK", address, content=json.dumps(lock(who))).raise_for_status()
        with pytest.raises(
            StateLocked, match=r"is locked by .* since .* UTC; wait for it, or, .*: terraform force-unlock "
        ):
            terraform.destroy(RUN, ignore)
        assert httpx.request("LOCK", address, content="{}").status_code == 423
        assert terraform.state_addresses() != ()


def test_what_does_not_answer_before_a_destroy_is_asked_again_and_never_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.clients.terraform._PAUSES_S", (0.1,))
    terraform = module(tmp_path)
    applied(terraform)
    silent = [True, True, True, False]

    def before() -> None:
        if silent.pop(0):
            raise Unavailable("STS did not answer.")

    with pytest.raises(Unavailable, match="STS did not answer"):
        terraform.destroy(RUN, ignore, before=before)
    assert terraform.state_addresses() != ()
    terraform.destroy(RUN, ignore, before=before)
    assert (silent, terraform.state_addresses()) == ([], ())


@contextmanager
def slow_plan(tmp_path: Path) -> Iterator[tuple[Terraform, subprocess.Popen[bytes], Event, Callable[[], bool]]]:
    """Plan in a worker of its own; the plan holds the lock and reads the state until the event is set.

    Gives also whether the state is locked.
    """
    readable = Event()
    readable.set()
    with remote_state(readable) as (address, asked):
        terraform = module(tmp_path, "http", settings(address))
        readable.clear()
        asked.clear()
        # Half a second instead of the twenty that a command is given before it is killed.
        program = (
            "import sys; from pathlib import Path; from tasks.clients import processes, terraform\n"
            "processes._GRACE_S = 0.5\n"
            "terraform.Terraform(Path(sys.argv[1]), Path(sys.argv[2]), {}, 'terraform', 10).plan()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program, terraform.directory, terraform.work],
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TF_CLI_CONFIG_FILE": os.devnull},
        ) as worker:
            try:
                until(lambda: asked[:2] == ["LOCK", "GET"])
                yield terraform, worker, readable, lambda: asked.count("LOCK") > asked.count("UNLOCK")
            finally:
                readable.set()
                worker.kill()


def test_a_plan_whose_flow_is_cancelled_gives_the_lock_back(tmp_path: Path) -> None:
    with slow_plan(tmp_path) as (_, worker, readable, locked):
        worker.send_signal(signal.SIGINT)
        # Longer than a command that holds no lock is left alive.
        time.sleep(2)
        assert locked()
        readable.set()
        worker.wait(60)
        until(lambda: not locked(), 10)


def test_the_plan_of_a_dead_worker_is_ended_before_a_destroy(tmp_path: Path) -> None:
    with slow_plan(tmp_path) as (terraform, worker, readable, locked):
        worker.kill()
        worker.wait()
        destroying = Thread(target=terraform.destroy, args=(RUN, ignore))
        destroying.start()
        until((terraform.work / "plan" / "interrupted").exists)
        assert destroying.is_alive()
        readable.set()
        destroying.join(60)
        assert not locked()
        assert "Two interrupts received" not in (terraform.work / "plan" / "log").read_text(encoding="utf-8")


def test_what_a_killed_terraform_left_running_is_ended_before_a_destroy(tmp_path: Path) -> None:
    terraform = module(tmp_path, quick=False)
    apply_in_a_killed_worker(terraform)
    marked = f"RAMPART_TERRAFORM={terraform.work}"
    (apply,) = (process for process in carrying(marked) if process.name() == "terraform")
    (provisioner,) = (process for process in carrying(marked) if process.parent() == apply and process.name() == "sh")
    apply.kill()
    until((terraform.work / "apply" / "exit").exists)
    assert provisioner.is_running()
    (terraform.directory / "gone").touch()
    terraform.destroy(RUN, ignore)
    assert not carrying(marked)


def carrying(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            name, _, value = mark.partition("=")
            if process.environ().get(name) == value:
                found.append(process)
    return found
