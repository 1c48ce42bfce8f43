"""Dashboards as file provisioning serves them: every JSON file of a folder, read again when it changes."""

import json
import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deployments.rehearsal.grafana.answers import Json

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Dashboard:
    """One dashboard.

    Attributes:
        number: The id the server gives it (1, 2, ...).
        file: File name within the folder.
        changed: Time of the file's last change.
        model: The JSON model as written in the file.
    """

    number: int
    file: str
    changed: datetime
    model: dict[str, Json]

    @property
    def uid(self) -> str:
        """The dashboard's uid."""
        return str(self.model["uid"])

    @property
    def title(self) -> str:
        """The dashboard's title."""
        return str(self.model.get("title", self.uid))

    @property
    def slug(self) -> str:
        """The readable last part of the dashboard's address."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-") or self.uid

    @property
    def url(self) -> str:
        """Path of the dashboard's page."""
        return f"/d/{self.uid}/{self.slug}"

    @property
    def tags(self) -> list[Json]:
        """The dashboard's tags."""
        tags = self.model.get("tags")
        return tags if isinstance(tags, list) else []


class DashboardFolder:
    """The provisioned folder.

    Args:
        folder: Folder with `*.json` files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: tuple[tuple[str, int, int], ...] = ()
        self._dashboards: dict[str, Dashboard] = {}

    def all(self) -> list[Dashboard]:
        """All dashboards, by file name. A file that cannot be read is logged and left out, as Grafana does."""
        files = sorted(self._folder.glob("*.json"))
        seen = tuple((file.name, stat.st_mtime_ns, stat.st_size) for file in files for stat in [file.stat()])
        if seen != self._seen:
            loaded = [_load(number, file) for number, file in enumerate(files, start=1)]
            self._dashboards = {dashboard.uid: dashboard for dashboard in loaded if dashboard}
            self._seen = seen
        return list(self._dashboards.values())

    def find(self, uid: str) -> Dashboard | None:
        """The dashboard with this uid."""
        return next((dashboard for dashboard in self.all() if dashboard.uid == uid), None)


def full_view(dashboard: Dashboard, *, may_annotate: bool) -> Json:
    """Body of `GET /api/dashboards/uid/:uid`."""
    changed = _stamp(dashboard.changed)
    rights: Json = {"canAdd": may_annotate, "canEdit": may_annotate, "canDelete": may_annotate}
    return {
        "meta": {
            "type": "db",
            "canSave": may_annotate,
            "canEdit": may_annotate,
            "canAdmin": False,
            "canStar": may_annotate,
            "canDelete": may_annotate,
            "slug": dashboard.slug,
            "url": dashboard.url,
            "expires": "0001-01-01T00:00:00Z",
            "created": changed,
            "updated": changed,
            "updatedBy": "Anonymous",
            "createdBy": "Anonymous",
            "version": 1,
            "hasAcl": False,
            "isFolder": False,
            "folderId": 0,
            "folderUid": "",
            "folderTitle": "General",
            "folderUrl": "",
            "provisioned": True,
            "provisionedExternalId": dashboard.file,
            "annotationsPermissions": {"dashboard": rights, "organization": rights},
            "apiVersion": "v1beta1",
        },
        "dashboard": {**dashboard.model, "id": dashboard.number, "version": 1},
    }


def resource_view(dashboard: Dashboard) -> Json:
    """Body of `GET /apis/dashboard.grafana.app/v1beta1/namespaces/default/dashboards/:uid`."""
    spec = {key: value for key, value in dashboard.model.items() if key not in {"id", "uid", "version"}}
    return {
        "kind": "Dashboard",
        "apiVersion": "dashboard.grafana.app/v1beta1",
        "metadata": {
            "name": dashboard.uid,
            "namespace": "default",
            "uid": f"standin-{dashboard.number}",
            "resourceVersion": "1",
            "generation": 1,
            "creationTimestamp": _stamp(dashboard.changed),
            "labels": {"grafana.app/deprecatedInternalID": str(dashboard.number)},
            "annotations": {"grafana.app/folder": "", "grafana.app/createdBy": "provisioning:"},
        },
        "spec": spec,
        "status": {},
    }


def search_view(dashboard: Dashboard) -> Json:
    """One item of `GET /api/search`."""
    return {
        "id": dashboard.number,
        "uid": dashboard.uid,
        "title": dashboard.title,
        "uri": f"db/{dashboard.slug}",
        "url": dashboard.url,
        "slug": "",
        "type": "dash-db",
        "tags": dashboard.tags,
        "isStarred": False,
        "sortMeta": 0,
    }


def _load(number: int, file: Path) -> Dashboard | None:
    try:
        model = json.loads(file.read_text())
    except (OSError, ValueError) as problem:
        _log.warning("Dashboard %s cannot be read and is left out: %s", file.name, problem)
        return None
    if not isinstance(model, dict) or not model.get("uid"):
        _log.warning("Dashboard %s has no uid and is left out: give it one.", file.name)
        return None
    return Dashboard(number, file.name, datetime.fromtimestamp(file.stat().st_mtime, UTC), model)


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
