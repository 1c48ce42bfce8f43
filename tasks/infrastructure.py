"""Terraform for a run: its environment, its plan, its progress."""

from __future__ import annotations

import contextlib
import json
import os
from tempfile import NamedTemporaryFile
from typing import Any

from prefect import task
from prefect.logging import get_run_logger

from blocks.models.errors import Failed, Refused, Unavailable
from blocks.models.verdict import Judgement, failed, passed
from tasks.account import account_of
from tasks.clients.hosts import Host
from tasks.clients.terraform import Output, Terraform
from tasks.rules.plan import PlanSummary, summarise_plan
from tasks.run import Run

REQUIRED_OUTPUTS = ("monitoring_url", "grafana_url", "jaeger_url", "sut_public_ip", "loadgen_public_ip")


def terraform_of(run: Run) -> Terraform:
    """Return Terraform for the run's checkout, with credentials and the run's tags in its environment.

    Raises:
        Refused: the checkout or its Terraform directory is missing.
    """
    environment = run.environment
    if not environment.checkout.is_dir():
        raise Refused(
            f"The checkout {environment.checkout} is missing; clone the system's repository there, or set checkout."
        )
    directory = environment.checkout / environment.terraform_directory
    if not directory.is_dir():
        raise Refused(f"The checkout has no folder {environment.terraform_directory}; set terraform_directory.")
    credentials = environment.aws.get_boto3_session().get_credentials()
    if credentials is None:
        raise Refused("The environment block has no AWS credentials; set them in its AwsCredentials block.")
    frozen = credentials.get_frozen_credentials()
    variables = {
        "AWS_ACCESS_KEY_ID": frozen.access_key,
        "AWS_SECRET_ACCESS_KEY": frozen.secret_key,
        "AWS_SESSION_TOKEN": frozen.token,
        "AWS_REGION": environment.region,
        "AWS_ENDPOINT_URL": environment.aws.aws_client_parameters.endpoint_url,
        **{f"TF_AWS_DEFAULT_TAGS_{key}": value for key, value in run.tags.items()},
    }
    return Terraform(
        directory,
        run.folder / "terraform",
        {key: value for key, value in variables.items() if value},
        environment.terraform_command,
        environment.terraform_parallelism,
        _detected_networks(run),
    )


def _detected_networks(run: Run) -> dict[str, str]:
    """Return the variable for the worker's own address, when pre-flight had to detect it."""
    for event in run.journal.read()[0]:
        if event.kind == "fact" and "detected_address" in event.data:
            return {"admin_cidrs": json.dumps([f"{event.data['detected_address']}/32"])}
    return {}


@task
def make_plan(run: Run) -> PlanSummary:
    """Initialise Terraform, save a plan, and return what it does."""
    terraform = terraform_of(run)
    terraform.init()
    summary = summarise_plan(terraform.plan(), run.tags)
    run.journal.append(
        "preflight",
        "terraform",
        operation="plan",
        adds=len(summary.adds),
        changes=len(summary.changes),
        destroys=len(summary.destroys),
        sha256=terraform.plan_hash(),
    )
    (run.evidence / "plan.json").write_text(summary.model_dump_json(indent=1))
    return summary


@task
def apply_plan(run: Run) -> int:
    """Apply the saved plan, if it is still the one that was approved, and return how many resources were made."""
    logger = get_run_logger()
    terraform = terraform_of(run)
    planned = [
        event for event in run.journal.read()[0] if event.kind == "terraform" and event.data["operation"] == "plan"
    ]
    if not planned or planned[-1].data["sha256"] != terraform.plan_hash():
        raise Failed("The saved plan is not the one that was approved; start the run again so that it is planned anew.")
    made: list[str] = []
    total = planned[-1].data["adds"]

    def follow(event: dict[str, Any]) -> None:
        if event.get("type") == "apply_complete" and event["hook"]["action"] == "create":
            made.append(event["hook"]["resource"]["addr"])
            if len(made) % 10 == 0 or len(made) == total:
                logger.info("terraform apply: %s of %s resources", len(made), total)

    try:
        terraform.apply(follow)
    except Failed:
        # What it made until then stands, and may be kept for a person to look at.
        with contextlib.suppress(Failed, Unavailable):
            _journal_apply(run, terraform, len(made))
        raise
    _journal_apply(run, terraform, len(made))
    return len(made)


def _journal_apply(run: Run, terraform: Terraform, made: int) -> None:
    """Journal what the state holds now: beside the tags, what tells a teardown that something is the run's."""
    run.journal.append(
        "provision", "terraform", operation="apply", made=made, addresses=terraform.state_addresses(),
        ids=sorted(terraform.state_holds().ids),
    )  # fmt: skip


@task(retries=2, retry_delay_seconds=1)
def read_outputs(run: Run) -> tuple[Output, ...]:
    """Read the outputs and keep those that are not sensitive for the later phases."""
    outputs = terraform_of(run).outputs()
    kept = {output.name: output.value for output in outputs if not output.sensitive}
    file = run.folder / "outputs.json"
    file.write_text(json.dumps(kept, indent=1, sort_keys=True))
    return outputs


def judge_outputs(outputs: tuple[Output, ...]) -> Judgement:
    """Judge whether every output the run needs is there; values of sensitive ones are not shown."""
    named = {output.name: output for output in outputs}
    missing = [name for name in REQUIRED_OUTPUTS if name not in named or not named[name].value]
    if missing:
        return failed(f"The outputs {', '.join(missing)} are missing; wanted are {', '.join(REQUIRED_OUTPUTS)}.")
    hidden = [output.name for output in outputs if output.sensitive]
    shown = ", ".join(f"{name} = {named[name].value}" for name in REQUIRED_OUTPUTS)
    return passed(shown + (f"; not shown, sensitive: {', '.join(hidden)}" if hidden else ""))


def sut_address(run: Run) -> str:
    """Return the SUT's address."""
    return str(_output(run, "sut_public_ip"))


def loadgen_addresses(run: Run) -> tuple[str, ...]:
    """Return the load generators' addresses; Terraform gives one or a list."""
    value = _output(run, "loadgen_public_ip")
    return tuple(str(item) for item in value) if isinstance(value, list) else (str(value),)


def api_url(run: Run) -> str:
    """Return the address of the SUT's API."""
    return f"http://{sut_address(run)}:{run.environment.services.api_port}"


def connect_sut(run: Run) -> Host:
    """Open a connection to the SUT."""
    return _connect(run, sut_address(run), "sut_instance_id", 0)


def connect_loadgens(run: Run) -> tuple[Host, ...]:
    """Open a connection to each load generator."""
    return tuple(connect_loadgen(run, number) for number in range(len(loadgen_addresses(run))))


def connect_loadgen(run: Run, number: int) -> Host:
    """Open a connection to one load generator."""
    return _connect(run, loadgen_addresses(run)[number], "loadgen_instance_ids", number)


def _connect(run: Run, address: str, instance_output: str, number: int) -> Host:
    access = run.environment.ssh
    keys = ""
    if access.known_hosts is None:
        ids = _output(run, instance_output)
        instance = str(ids[number]) if isinstance(ids, list) else str(ids)
        keys = _host_keys(run, instance)
    host = Host(address, access, keys)
    host.open()
    return host


def _host_keys(run: Run, instance: str) -> str:
    """Return an instance's host keys as known_hosts lines without a name.

    They are kept in the run's folder, because an instance keeps its keys and whoever ends the run may be another process
    whose credentials have expired: it still stops the load and fetches the evidence.
    """
    file = run.folder / "host_keys" / instance
    with contextlib.suppress(FileNotFoundError):
        return file.read_text()
    keys = account_of(run).host_keys(instance)
    if not keys:
        raise Unavailable(
            f"The console output of instance {instance} holds no SSH host keys yet, and unknown hosts are rejected: "
            "cloud-init writes them when it ends; wait for it, or set ssh.known_hosts."
        )
    # Several may connect at once, and none may read half a file; a disk that is full keeps nobody from the host.
    with contextlib.suppress(OSError):
        file.parent.mkdir(exist_ok=True)
        with NamedTemporaryFile("w", dir=file.parent) as part:
            part.write(keys)
            part.flush()
            os.link(part.name, file)
    return keys


def _output(run: Run, name: str) -> Any:  # noqa: ANN401 - an output can be anything
    outputs = run.outputs()
    if name not in outputs:
        raise Failed(f"Terraform's output {name} is not known; is the infrastructure applied and the output defined?")
    return outputs[name]
