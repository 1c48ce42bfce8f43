"""A real Grafana: one that runs, in which the rehearsal has a folder of its own, or a program that the stack starts."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import httpx

from blocks.models.errors import Failed
from deployments.rehearsal.real.asking import get_json, started
from deployments.rehearsal.real.part import NotUsable, Part

STAND_IN = "our own pages for Grafana, with its API"
_ANSWER_S = 10.0
_PACKAGED_HOME = Path("/usr/share/grafana")


def find_grafana(path: str, environment: Mapping[str, str]) -> Part:
    """Return the Grafana of GRAFANA_URL and GRAFANA_TOKEN, else one on PATH, else the stand-in with the reason."""
    url, token = environment.get("GRAFANA_URL", "").rstrip("/"), environment.get("GRAFANA_TOKEN", "")
    reasons = []
    if url:
        try:
            version = _usable(url, token)
        except NotUsable as error:
            reasons.append(str(error))
        else:
            return Part(f"real: Grafana {version} at {url}, in a folder of its own", url=url)
    for name in ("grafana", "grafana-server"):
        program = shutil.which(name, path=path)
        if program is not None:
            try:
                home = _home(program)
                started(program, "-v", path=path)
            except NotUsable as error:
                reasons.append(str(error))
            else:
                return Part(f"real: Grafana, {program} with {home}, is started", program=program)
    reason = "; ".join(reasons) or "GRAFANA_URL is not set, and no grafana is on PATH"
    return Part(f"stand-in: {STAND_IN} ({reason})")


class OwnGrafana:
    """A Grafana of the stack: its data in a folder of the rehearsal, provisioned from the checkout.

    Args:
        program: `grafana` or `grafana-server`.
        folder: Where it keeps its data and finds its provisioning files.
    """

    def __init__(self, program: str, folder: Path) -> None:
        self._program = Path(program)
        self._folder = folder
        self._password = secrets.token_urlsafe(24)

    def provision(self, provisioning: Path, dashboards: Path) -> None:
        """Take over a checkout's provisioning files, with the folder its dashboards are in here."""
        shutil.copytree(provisioning, self._folder / "provisioning", dirs_exist_ok=True)
        for file in (self._folder / "provisioning" / "dashboards").glob("*.yaml"):
            # The checkout's files name the place where its container mounts the dashboards.
            file.write_text(file.read_text().replace("/var/lib/grafana/dashboards", str(dashboards)))

    def command(self) -> list[str]:
        """Return the command line."""
        home = _home(str(self._program))
        # A package's programs on PATH are scripts that insist on the package's own folders.
        bundled = home / "bin" / self._program.name
        program = str(bundled if bundled.exists() else self._program)
        return [program, *(["server"] if self._program.name == "grafana" else []), f"--homepath={home}"]

    def environment(self, host: str, port: int, prometheus_url: str, jaeger_url: str) -> dict[str, str]:
        """Return what it finds in its environment: Grafana's settings, and the addresses of the data sources."""
        return {
            "GF_SERVER_HTTP_ADDR": host,
            "GF_SERVER_HTTP_PORT": str(port),
            "GF_SECURITY_ADMIN_PASSWORD": self._password,
            "GF_AUTH_ANONYMOUS_ENABLED": "false",
            "GF_USERS_ALLOW_SIGN_UP": "false",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
            "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
            "GF_LOG_MODE": "console",
            "GF_PATHS_DATA": str(self._folder / "data"),
            "GF_PATHS_LOGS": str(self._folder / "logs"),
            "GF_PATHS_PLUGINS": str(self._folder / "plugins"),
            "GF_PATHS_PROVISIONING": str(self._folder / "provisioning"),
            "PROMETHEUS_URL": prometheus_url,
            "JAEGER_URL": jaeger_url,
        }

    def make_token(self, url: str) -> str:
        """Make a service account with the role Editor and return a token of it; Grafana must serve."""
        with httpx.Client(base_url=url, auth=("admin", self._password), timeout=_ANSWER_S) as http:
            account = _must(http, "POST", "/api/serviceaccounts", json={"name": "rampart", "role": "Editor"})
            token = _must(http, "POST", f"/api/serviceaccounts/{account['id']}/tokens", json={"name": "rampart"})
        return str(token["key"])


class Tenancy:
    """What a rehearsal has in a Grafana that is not its own: a folder with the dashboard, and two data sources.

    Args:
        url: Grafana's address.
        token: Service account token with the role Admin: Editors may not make data sources.
        mark: Tells it from other rehearsals in the same Grafana.
    """

    def __init__(self, url: str, token: str, mark: str) -> None:
        self._url = url
        self._token = token
        self._folder = f"rampart-{mark}"
        self._sources = {"prom-main": f"rampart-{mark}-prometheus", "jaeger-main": f"rampart-{mark}-jaeger"}
        self.dashboard_uid = f"rampart-{mark}-run"

    def move_in(self, dashboard: Path, prometheus_url: str, jaeger_url: str) -> None:
        """Make data sources, folder and dashboard.

        Raises:
            Failed: Grafana refuses, or does not reach this machine's Prometheus.
        """
        prometheus, jaeger = self._sources["prom-main"], self._sources["jaeger-main"]
        exemplars = [{"name": "trace_id", "datasourceUid": jaeger}]
        settings = {"httpMethod": "POST", "timeInterval": "2500ms", "exemplarTraceIdDestinations": exemplars}
        text = dashboard.read_text()
        for known, own in self._sources.items():
            text = text.replace(f'"{known}"', f'"{own}"')
        board = {**json.loads(text), "id": None, "uid": self.dashboard_uid}
        with self._client() as http:
            for uid, kind, url, data in (
                (jaeger, "jaeger", jaeger_url, {}),
                (prometheus, "prometheus", prometheus_url, settings),
            ):
                source = {"name": uid, "uid": uid, "type": kind, "access": "proxy", "url": url, "jsonData": data}
                _must(http, "POST", "/api/datasources", json=source)
            health = http.get(f"/api/datasources/uid/{prometheus}/health")
            if health.status_code != httpx.codes.OK:
                raise Failed(
                    f"The Grafana at {self._url} does not reach this machine's Prometheus at {prometheus_url}: "
                    f"{_message(health)}. Run it on this machine's network, or unset GRAFANA_URL to use the stand-in."
                )
            title = f"Rampart rehearsal {self._folder}"
            _must(http, "POST", "/api/folders", json={"uid": self._folder, "title": title})
            _must(http, "POST", "/api/dashboards/db", json={"dashboard": board, "folderUid": self._folder})

    def move_out(self) -> Iterable[str]:
        """Delete what `move_in` made; yield a sentence for each thing that stays."""
        sources = (f"/api/datasources/uid/{uid}" for uid in self._sources.values())
        with self._client() as http:
            for path in (f"/api/folders/{self._folder}", *sources):
                try:
                    answer = http.delete(path)
                except httpx.HTTPError as error:
                    yield f"{self._url}{path} is not deleted: {str(error) or type(error).__name__}"
                    continue
                if answer.status_code not in {httpx.codes.OK, httpx.codes.NOT_FOUND}:
                    yield f"{self._url}{path} is not deleted: {_message(answer)}"

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self._url, headers=_bearer(self._token), timeout=_ANSWER_S)


def _usable(url: str, token: str) -> str:
    """Return the version of a Grafana in which data sources may be made.

    Raises:
        NotUsable: it does not answer, or the token is not good enough.
    """
    health = get_json("Grafana", f"{url}/api/health")
    if not isinstance(health, dict) or "database" not in health:
        raise NotUsable(f"{url} is no Grafana")
    if not token:
        raise NotUsable("GRAFANA_TOKEN is not set")
    try:
        get_json("Grafana", f"{url}/api/datasources", _bearer(token))
    except NotUsable as error:
        raise NotUsable(f"{error} to GRAFANA_TOKEN; wanted is a service account's token with the role Admin") from error
    return str(health.get("version", ""))


def _home(program: str) -> Path:
    """Return Grafana's home: the folder that has conf/defaults.ini.

    Raises:
        NotUsable: there is none.
    """
    found = next(
        (
            home
            for home in (Path(program).resolve().parent.parent, _PACKAGED_HOME)
            if (home / "conf" / "defaults.ini").exists()
        ),
        None,
    )
    if found is None:
        raise NotUsable(f"{program} has no conf/defaults.ini beside its bin folder")
    return found


def _must(http: httpx.Client, method: str, path: str, *, json: object) -> dict[str, Any]:
    try:
        answer = http.request(method, path, json=json)
    except httpx.HTTPError as error:
        raise Failed(f"Grafana at {http.base_url} does not answer {method} {path}: {type(error).__name__}.") from error
    if not answer.is_success:
        raise Failed(f"Grafana at {http.base_url} answers {answer.status_code} to {method} {path}: {_message(answer)}.")
    said: dict[str, Any] = answer.json()
    return said


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"]).rstrip(".")
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
