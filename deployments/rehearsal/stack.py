"""The local stack: what stands in for the cloud on one machine, started and stopped as a whole."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import Any

import httpx
from filelock import FileLock

from blocks.models.errors import Failed, Refused
from deployments.rehearsal import layout
from deployments.rehearsal.authority import one_authority
from deployments.rehearsal.hosts import LOADGEN_ADDRESS, enter, loadgen_group
from deployments.rehearsal.ports import choose_ports
from deployments.rehearsal.processes import alive, answers, end, start, wait_until
from deployments.rehearsal.real import engine, jaeger
from deployments.rehearsal.real.engine import find_engine
from deployments.rehearsal.real.grafana import OwnGrafana, Tenancy, find_grafana
from deployments.rehearsal.real.jaeger import find_jaeger
from deployments.rehearsal.real.part import Part
from deployments.rehearsal.sshd import sshd_command
from tasks.clients.processes import run_command

Say = Callable[[str], None]
DASHBOARD = "ebit-perf-test"
"""Uid of the checkout's dashboard."""
PROJECT = "ebit"
"""Name of the compose project, as the checkout's compose file has it."""

# A run that is told to end takes its infrastructure down first.
_ENDING_S = 180.0
# Runs of one stack that find a cost.
_COSTED_RUNS = 100
_PARTS = ("engine", "grafana", "jaeger")
_DASHBOARDS = layout.CHECKOUT / "monitoring" / "grafana" / "dashboards"


@dataclass
class Stack:
    """What runs, and where.

    Attributes:
        ports: Port of each server the stack starts.
        grafana_token: Token with which the product asks Grafana.
        engine: The container engine.
        grafana: Grafana.
        jaeger: Jaeger.
        mark: Tells this stack's things in somebody's Grafana from others.
        processes: Identity of each process, in the order they were started.
    """

    ports: dict[str, int]
    grafana_token: str
    engine: Part
    grafana: Part
    jaeger: Part
    mark: str
    processes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def prefect_url(self) -> str:
        """Prefect's address."""
        return self.url("prefect")

    @property
    def dashboard_uid(self) -> str:
        """The dashboard of the run."""
        return self.tenancy().dashboard_uid if self.grafana.url else DASHBOARD

    def url(self, name: str) -> str:
        """The address of a server, the stack's or one that was there already."""
        found = {"grafana": self.grafana.url, "jaeger": self.jaeger.url}.get(name)
        return found or f"http://{layout.LOCALHOST}:{self.ports[name]}"

    def tenancy(self) -> Tenancy:
        """What this stack has in a Grafana that was there already."""
        return Tenancy(self.grafana.url, self.grafana_token, self.mark)

    def environment(self) -> dict[str, str]:
        """What the stack's processes find in their environment."""
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "AWS_", "TF_", "OTEL_"))
        }
        return {
            **kept,
            "PATH": f"{layout.WORKER / 'bin'}:{layout.tool_path()}",
            "PYTHONPATH": str(layout.PROJECT),
            "PREFECT_HOME": str(layout.HOME / "prefect"),
            "PREFECT_PROFILES_PATH": str(layout.HOME / "prefect" / "profiles.toml"),
            "PREFECT_API_URL": f"{self.prefect_url}/api",
            "PREFECT_API_SSL_CERT_FILE": str(one_authority(layout.TOOLS)),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_API_HOST": layout.LOCALHOST,
            "PREFECT_CLI_COLORS": "false",
            # Each look writes to Prefect's SQLite, and whoever answers an approval in that moment is refused.
            "PREFECT_WORKER_QUERY_SECONDS": "3",
            # The types of other services' blocks, which a rehearsal has no use for, take seconds to register.
            "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
            "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
            "DO_NOT_TRACK": "1",
            "RAMPART_DIRECTORY": str(layout.PROJECT),
            "TF_CLI_CONFIG_FILE": str(layout.TOOLS / "terraformrc"),
            "GRAFANA_TOKEN": self.grafana_token,
            "REHEARSAL_HOME": str(layout.HOME),
            "REHEARSAL_COST_TAGS": "rampart_run_id",
            "REHEARSAL_HOST_KEYS": str(layout.KEYS / "host_key.pub"),
        }


def load() -> Stack | None:
    """Return the stack that runs, or None."""
    if not layout.STATE.exists():
        return None
    stack = _read()
    return stack if any(alive(process) for process in stack.processes) else None


def up(say: Say, wanted_ports: dict[str, int]) -> Stack:
    """Start everything, register blocks and deployments.

    Raises:
        Refused: a stack runs already, or a wanted port is taken.
        Failed: a part does not start; everything that was started is stopped again.
    """
    if load() is not None:
        raise Refused("A rehearsal's stack is running already; stop it with: python -m deployments.rehearsal down")
    stack = _choose(wanted_ports)
    for line in (*(part.line for part in (stack.engine, stack.grafana, stack.jaeger)), *_ALWAYS):
        say(line)
    _lay_out(stack)
    try:
        _start_servers(stack, say)
        _register(stack, say)
    except BaseException:
        down(say, stack)
        raise
    return stack


def down(say: Say, stack: Stack | None = None) -> None:
    """Stop everything the stack started; what is stopped already is fine."""
    stack = stack or (_read() if layout.STATE.exists() else None)
    if stack is None:
        say("no stack is running")
        return
    workers = [process for process in stack.processes if process["name"].startswith("worker-")]
    # What a worker runs takes its infrastructure down before it ends.
    end(workers, patience_s=_ENDING_S)
    _stop_containers(stack, say)
    for left in stack.tenancy().move_out() if stack.grafana.url else ():
        say(f"left over: {left}")
    end([process for process in stack.processes if process not in workers])
    loadgen_group(stack.ports["ssh"]).remove()
    layout.STATE.unlink(missing_ok=True)
    say("the stack is stopped")


_ALWAYS = (
    "stand-in: moto for AWS, with an image registry for ECR's",
    "stand-in: a double of ebit is the system under test; the SUT's and the load generator's host are an sshd each",
    "real: k6, Prometheus, Terraform, sshd, Node, Chromium, Prefect",
)


def _choose(wanted_ports: dict[str, int]) -> Stack:
    """Look at what this machine has, and choose ports."""
    path = layout.tool_path()
    grafana = find_grafana(path, os.environ)
    return Stack(
        ports=choose_ports(wanted_ports),
        grafana_token=os.environ["GRAFANA_TOKEN"] if grafana.url else secrets.token_urlsafe(24),
        engine=find_engine(path, layout.CHECKOUT_SOURCE / "services", layout.COMPOSE, PROJECT),
        grafana=grafana,
        jaeger=find_jaeger(path, os.environ),
        mark=secrets.token_hex(4),
    )


def _read() -> Stack:
    """Return the stack as it was written."""
    written = json.loads(layout.STATE.read_text())
    return Stack(**{**written, **{name: Part(**written[name]) for name in _PARTS}})


def _lay_out(stack: Stack) -> None:
    """Make the folders of the hosts, keys, and the checkout, as cloud-init and `git clone` would."""
    for folder in (layout.HOME, layout.KEYS, layout.COMPOSE, layout.SUT / "bin", layout.WORKER / "bin", layout.LOADGEN):
        shutil.rmtree(folder, ignore_errors=True) if folder in {layout.KEYS, layout.LOADGEN} else None
        folder.mkdir(parents=True, exist_ok=True)
    for name in ("prefect", "prometheus", "grafana", "jaeger", "registry", "engines"):
        shutil.rmtree(layout.HOME / name, ignore_errors=True)
    (layout.HOME / "prefect").mkdir()
    # Prefect's migrations take longer than everything else it does to start.
    shutil.copy(layout.TOOLS / "prefect" / "prefect.db", layout.HOME / "prefect")
    layout.RUNS.mkdir(exist_ok=True)
    layout.KEYS.chmod(0o700)
    for key in ("id_ed25519", "host_key"):
        _must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "rehearsal", "-f", str(layout.KEYS / key)])
    shutil.copy(layout.KEYS / "id_ed25519.pub", layout.KEYS / "authorized_keys")
    shutil.rmtree(layout.CHECKOUT, ignore_errors=True)
    shutil.copytree(
        layout.CHECKOUT_SOURCE,
        layout.CHECKOUT,
        ignore=shutil.ignore_patterns("__pycache__", "node_modules", ".terraform*"),
    )
    _install_node_modules()
    _write_tfvars(stack)
    shutil.copy(layout.CHECKOUT / "docker-compose.yml", layout.COMPOSE)
    (layout.COMPOSE / ".env").write_text(
        "".join(f"{key}={value}\n" for key, value in _compose_environment(stack).items())
    )
    (layout.COMPOSE / "docker-compose.override.yml").unlink(missing_ok=True)
    if stack.engine.real:
        engine.install(stack.engine, layout.PROJECT, layout.WORKER, layout.SUT, layout.COMPOSE)
        return
    for host, root in ((layout.SUT, "sut"), (layout.WORKER, "worker")):
        wrapper = host / "bin" / "docker"
        wrapper.write_text(
            "#!/bin/sh\n# The stand-in for docker on this host: rehearsal only.\n"
            f"export REHEARSAL_ENGINE_ROOT='{layout.HOME / 'engines' / root}' PYTHONPATH='{layout.PROJECT}'\n"
            f"exec '{_python()}' -P -m deployments.rehearsal.engine \"$@\"\n"
        )
        wrapper.chmod(0o755)


def _start_servers(stack: Stack, say: Say) -> None:
    module = [_python(), "-m"]
    ports = stack.ports
    _start(
        stack,
        "prefect",
        [*module, "prefect", "server", "start", "--host", layout.LOCALHOST, "--port", str(ports["prefect"])],
    )
    _start(
        stack, "cloud",
        [*module, "deployments.rehearsal.cloud", "--port", str(ports["aws"]), "--registry-port", str(ports["registry"]),
         "--account-id", layout.ACCOUNT, "--data", str(layout.HOME / "registry")],
    )  # fmt: skip
    _start(
        stack, "telemetry",
        [*module, "deployments.rehearsal.telemetry", "--otlp-port", str(ports["otlp"]), "--metrics-port", str(ports["spanmetrics"]),
         *_traces(stack)],
    )  # fmt: skip
    if stack.jaeger.program:
        folder = layout.HOME / "jaeger"
        argv = jaeger.command(stack.jaeger.program, layout.LOCALHOST, ports["jaeger"], ports["jaeger_otlp"], folder)
        _start(stack, "jaeger", argv, jaeger.SETTINGS)
    containers = (
        ["--socket", stack.engine.url.removeprefix("unix://"), "--project", PROJECT]
        if stack.engine.real
        else ["--root", str(layout.HOME / "engines" / "sut")]
    )
    _start(
        stack, "exporter",
        [*module, "deployments.rehearsal.engine.exporter", *containers, "--port", str(ports["exporter"])],
    )  # fmt: skip
    _start(stack, "prometheus", _prometheus(stack))
    own_grafana = _start_grafana(stack)
    _start(stack, "sshd", _sshd(stack, "sut", layout.LOCALHOST))
    _start(stack, "sshd-loadgen", _sshd(stack, "loadgen", LOADGEN_ADDRESS))
    enter(loadgen_group(ports["ssh"]), int(stack.processes[-1]["pid"]))
    for name, probe in (
        ("cloud", answers(f"{stack.url('aws')}/moto-api/data.json")),
        ("telemetry", answers(f"{stack.url('spanmetrics')}/metrics")),
        ("jaeger", answers(f"{stack.url('jaeger')}/api/services")),
        ("exporter", answers(f"{stack.url('exporter')}/metrics")),
        ("prometheus", answers(f"{stack.url('prometheus')}/-/ready")),
        ("grafana", answers(f"{stack.url('grafana')}/api/health")),
    ):
        _await(stack, name, probe, say)
    _seed_costs(stack)
    if own_grafana is not None:
        stack.grafana_token = own_grafana.make_token(stack.url("grafana"))
        write(stack)
    if stack.grafana.url:
        stack.tenancy().move_in(_DASHBOARDS / f"{DASHBOARD}.json", stack.url("prometheus"), stack.url("jaeger"))


def _await(stack: Stack, name: str, probe: Callable[[], bool], say: Say) -> None:
    process = next((process for process in stack.processes if process["name"] == name), None)
    if process is not None:
        wait_until(name, probe, process)
        say(f"{name} serves")


def _seed_costs(stack: Stack) -> None:
    """Let Cost Explorer have a figure: moto gives each new question the next one of a queue."""
    figure = json.loads((layout.PROJECT / "deployments" / "rehearsal" / "cloud" / "costs.json").read_text())
    seeds = {"account_id": layout.ACCOUNT, "results": [figure] * _COSTED_RUNS}
    httpx.post(f"{stack.url('aws')}/moto-api/static/ce/cost-and-usage-results", json=seeds).raise_for_status()


def _start_grafana(stack: Stack) -> OwnGrafana | None:
    """Start a Grafana unless one serves already; return it when it is a real one, which has to make its token yet."""
    if stack.grafana.url:
        return None
    if stack.grafana.program:
        own = OwnGrafana(stack.grafana.program, layout.HOME / "grafana")
        own.provision(layout.CHECKOUT / "monitoring" / "grafana" / "provisioning", _DASHBOARDS)
        settings = own.environment(
            layout.LOCALHOST, stack.ports["grafana"], stack.url("prometheus"), stack.url("jaeger")
        )
        _start(stack, "grafana", own.command(), settings)
        return own
    _start(
        stack, "grafana",
        [_python(), "-m", "deployments.rehearsal.grafana", "--port", str(stack.ports["grafana"]), "--prometheus-url", stack.url("prometheus"),
         "--jaeger-url", stack.url("jaeger"), "--dashboards", str(_DASHBOARDS), "--state", str(layout.HOME / "grafana")],
    )  # fmt: skip
    return None


def _traces(stack: Stack) -> list[str]:
    """What becomes of the traces: kept for the stand-in's pages, or sent on to the real Jaeger."""
    if not stack.jaeger.real:
        return ["--jaeger-port", str(stack.ports["jaeger"])]
    return ["--forward-to", stack.jaeger.otlp_url or stack.url("jaeger_otlp")]


def _register(stack: Stack, say: Say) -> None:
    environment = stack.environment()
    os.environ.update({key: value for key, value in environment.items() if key.startswith(("PREFECT_", "RAMPART_"))})
    with ThreadPoolExecutor(1) as pool:
        # It imports for seconds, beside a Prefect that starts for as long, and then waits for it.
        registering = pool.submit(_must, [_python(), "-m", "deployments.rehearsal", "register"], environment)
        _await(stack, "prefect", answers(f"{stack.prefect_url}/api/health"), say)
        for name in layout.POOLS:
            body = {"name": name, "type": "process"}
            made = httpx.post(f"{stack.prefect_url}/api/work_pools/", json=body, timeout=30)
            if made.status_code != httpx.codes.CONFLICT:
                made.raise_for_status()
        start_worker(stack, layout.POOLS[0])
        # The operator needs it next, and it takes seconds to import; Prefect's settings are in the environment by now.
        import_module("prefect.client.orchestration")
        registering.result()
    # The other one is not needed before a run ends.
    start_worker(stack, layout.POOLS[1])
    # A stack left up over night has no environment named perf, and a janitor beside a run costs it a core for seconds:
    # nothing is to start by itself here, but for the automation that wakes the janitor after a crash.
    for name in ("nightly-smoke", "janitor"):
        found = httpx.get(f"{stack.prefect_url}/api/deployments/name/{name}/{name}", timeout=30).raise_for_status()
        url = f"{stack.prefect_url}/api/deployments/{found.json()['id']}/pause_deployment"
        httpx.post(url, timeout=30).raise_for_status()
    say("blocks, deployments and automations are registered")


def start_worker(stack: Stack, pool: str) -> None:
    """Start a worker of a pool."""
    argv = [_python(), "-m", "prefect", "worker", "start", "--pool", pool, "--type", "process", "--name", pool]
    _start(stack, f"worker-{pool}", argv)


def _start(stack: Stack, name: str, argv: list[str], settings: Mapping[str, str] | None = None) -> None:
    stack.processes.append(start(name, argv, {**stack.environment(), **(settings or {})}))
    write(stack)


def write(stack: Stack) -> None:
    """Keep what runs, for other processes."""
    part = layout.STATE.with_suffix(".part")
    part.write_text(json.dumps(asdict(stack)))
    part.chmod(0o600)
    part.replace(layout.STATE)


def _prometheus(stack: Stack) -> list[str]:
    targets = {name: f"{layout.LOCALHOST}:{stack.ports[name]}" for name in ("spanmetrics", "exporter", "worker")}
    jobs = "".join(
        f"  - job_name: {name}\n    static_configs:\n      - targets: ['{target}']\n"
        for name, target in targets.items()
    )
    folder = layout.HOME / "prometheus"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(
        f"global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\nscrape_configs:\n{jobs}"
    )
    return [
        "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={layout.LOCALHOST}:{stack.ports['prometheus']}", "--web.enable-remote-write-receiver",
        "--enable-feature=native-histograms,exemplar-storage", "--log.level=warn",
    ]  # fmt: skip


def _sshd(stack: Stack, host: str, address: str) -> list[str]:
    return sshd_command(
        layout.KEYS / f"sshd_config_{host}",
        address=address,
        port=stack.ports["ssh"],
        host_key=layout.KEYS / "host_key",
        authorized_keys=layout.KEYS / "authorized_keys",
        path=layout.tool_path(),
        environment=f"PATH={layout.SUT / 'bin'}:{layout.tool_path()} DOCKER_CONFIG={layout.SUT / 'docker'}",
    )


def _compose_environment(stack: Stack) -> dict[str, str]:
    ports = stack.ports
    services = ("api", "rt", "auth", "bet", "worker", "fe")
    return {
        "REGISTRY": f"{layout.LOCALHOST}:{ports['registry']}",
        **{f"{name.upper()}_PORT": str(ports[name]) for name in services},
        **{f"{name.upper()}_ADMIN_PORT": str(ports[f"{name}_admin"]) for name in services if name != "fe"},
        "DATA_DIR": str(layout.SUT / "data"),
        "BCRYPT_COST": "4",
        "JWT_SECRET": secrets.token_hex(16),
        "LOAD_TEST_BYPASS": secrets.token_hex(16),
        "REQUEST_LOG": str(layout.SUT / "requests.log"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": stack.url("otlp"),
    }


def _write_tfvars(stack: Stack) -> None:
    kind = layout.INSTANCE_TYPES[layout.architecture()]
    values = {
        "admin_cidrs": ["127.0.0.1/32"],
        "ssh_public_key": (layout.KEYS / "id_ed25519.pub").read_text().strip(),
        "sut_instance_type": kind,
        "loadgen_instance_type": kind,
        "monitoring_instance_type": kind,
        "ssh_port": stack.ports["ssh"],
        "api_port": stack.ports["api"],
        "rt_port": stack.ports["rt"],
        "prometheus_port": stack.ports["prometheus"],
        "grafana_port": stack.ports["grafana"],
        "jaeger_port": stack.ports["jaeger"],
        "otlp_port": stack.ports["otlp"],
    }
    file = layout.CHECKOUT / "terraform" / "perf" / "terraform.tfvars"
    file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))


def _install_node_modules() -> None:
    """Install the checkout's Node packages once; later rehearsals link to them while its lock file is the same."""
    lock = (layout.CHECKOUT / "package-lock.json").read_bytes()
    kept = layout.TOOLS / "checkout-packages"
    stamp = kept / "package-lock.json"
    # Stacks of other homes share the folder.
    with FileLock(layout.TOOLS / "checkout-packages.lock"):
        if not (kept / "node_modules").is_dir() or not stamp.exists() or stamp.read_bytes() != lock:
            shutil.rmtree(kept, ignore_errors=True)
            kept.mkdir(parents=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(layout.CHECKOUT / name, kept)
            completed = run_command(
                ["npm", "ci", "--no-audit", "--no-fund"],
                cwd=kept,
                environment={"PATH": layout.tool_path()},
                timeout_s=180.0,
            )
            if completed.code != 0:
                shutil.rmtree(kept, ignore_errors=True)
                raise Failed(f"npm could not install the checkout's packages: {completed.last_line}")
    (layout.CHECKOUT / "node_modules").symlink_to(kept / "node_modules")


def _stop_containers(stack: Stack, say: Say) -> None:
    docker = layout.SUT / "bin" / "docker"
    if not docker.exists() or not (stack.engine.real or (layout.HOME / "engines" / "sut").exists()):
        return
    completed = run_command(
        [str(docker), "compose", "down"], cwd=layout.COMPOSE, environment=stack.environment(), timeout_s=60.0
    )
    left = completed.last_line if completed.code != 0 else ""
    if stack.engine.real:
        left = left or engine.remove_images(docker, layout.PROJECT, stack.environment())
    if left:
        say(f"left over: {left}")


def _must(argv: list[str], environment: dict[str, str] | None = None) -> None:
    completed = run_command(
        argv, cwd=layout.PROJECT, environment=environment or {"PATH": layout.tool_path()}, timeout_s=120.0
    )
    if completed.code != 0:
        raise Failed(f"'{' '.join(argv[:5])}' ended with {completed.code}: {completed.last_line}")


def _python() -> str:
    return sys.executable
