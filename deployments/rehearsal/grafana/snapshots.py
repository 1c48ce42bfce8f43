"""Snapshots: kept exactly as given, nothing is queried for them."""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from deployments.rehearsal.grafana.answers import ApiError, Json, bad_request_data, coded, plain
from deployments.rehearsal.grafana.dashboards import Dashboard
from deployments.rehearsal.grafana.journal import Lines

FOREVER_S = 50 * 365 * 24 * 3600
"""Life of a snapshot without `expires`: 50 years, as Grafana has it."""

KEY_BYTES = 16  # 32 hexadecimal characters


@dataclass(frozen=True)
class Snapshot:
    """What is known about a snapshot besides its dashboard; times are epoch seconds."""

    id: int
    key: str
    delete_key: str
    name: str
    created: float
    expires: float


class Snapshots:
    """All snapshots.

    Args:
        folder: Where they are kept: an index and a file for each dashboard.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._index = Lines(folder / "index.jsonl")
        self._items: dict[str, Snapshot] = {}
        self._last = 0
        for line in self._index.read():
            self._last = max(self._last, line["id"])
            if line.get("deleted"):
                self._items.pop(line["key"], None)
            else:
                self._items[line["key"]] = Snapshot(**line)

    def add(self, body: Mapping[str, Json], dashboards: Mapping[str, Dashboard]) -> tuple[Snapshot, bool]:
        """Keep one; the second value tells whether the server made its key.

        Raises:
            ApiError: 400 without a dashboard or for an unknown one, 500 when the key is taken.
        """
        dashboard, expires = body.get("dashboard"), body.get("expires") or 0
        if not isinstance(dashboard, dict) or isinstance(expires, bool) or not isinstance(expires, int):
            raise bad_request_data()
        uid = dashboard.get("uid")
        if uid not in dashboards:
            raise plain(400, "Dashboard not found")
        given = str(body.get("key") or "")
        if given in self._items:
            raise plain(500, "Failed to create snapshot")
        self._last += 1
        now = time.time()
        item = Snapshot(
            id=self._last,
            key=given or secrets.token_hex(KEY_BYTES),
            delete_key=str(body.get("deleteKey") or "") or secrets.token_hex(KEY_BYTES),
            name=str(body.get("name") or dashboard.get("title") or "Unnamed snapshot"),
            created=now,
            expires=now + (expires if expires > 0 else FOREVER_S),
        )
        stored = {**dashboard, "snapshot": {**_object(dashboard.get("snapshot")), "originalUrl": f"/d/{uid}"}}
        self._file(item).write_text(json.dumps(stored))
        self._index.append(asdict(item))
        self._items[item.key] = item
        return item, not given

    def read(self, key: str) -> Json:
        """Body of `GET /api/snapshots/:key`.

        Raises:
            ApiError: 404 when there is none, or it has expired.
        """
        item = self._get(key)
        if item.expires <= time.time():
            raise ApiError(404, {"message": "Dashboard snapshot not found"})
        return {"meta": _meta(item), "dashboard": json.loads(self._file(item).read_text())}

    def listed(self) -> list[Json]:
        """Items of `GET /api/dashboard/snapshots`, newest first; delete keys are not told."""
        alive = [item for item in self._items.values() if item.expires > time.time()]
        return [
            {
                "id": item.id,
                "name": item.name,
                "key": item.key,
                "expires": _stamp(item.expires),
                "created": _stamp(item.created),
            }
            for item in sorted(alive, key=lambda item: item.id, reverse=True)
        ]

    def delete(self, key: str) -> int:
        """Delete by key and return the id.

        Raises:
            ApiError: 404 when there is none.
        """
        item = self._get(key)
        del self._items[key]
        self._index.append({"id": item.id, "key": item.key, "deleted": True})
        self._file(item).unlink(missing_ok=True)
        return item.id

    def delete_by_delete_key(self, delete_key: str) -> int:
        """Delete by delete key and return the id.

        Raises:
            ApiError: 404 when there is none.
        """
        found = next((item.key for item in self._items.values() if item.delete_key == delete_key), "")
        return self.delete(found)

    def _get(self, key: str) -> Snapshot:
        if key not in self._items:
            raise coded(404, "dashboardsnapshots.not-found", "Snapshot not found")
        return self._items[key]

    def _file(self, item: Snapshot) -> Path:
        # named by number: a key is chosen by the client and no file name
        return self._folder / f"{item.id}.json"


def _meta(item: Snapshot) -> Json:
    return {
        "isSnapshot": True,
        "type": "snapshot",
        "canSave": False,
        "canEdit": False,
        "canAdmin": False,
        "canStar": False,
        "canDelete": False,
        "slug": "",
        "url": "",
        "expires": _stamp(item.expires),
        "created": _stamp(item.created),
        "updated": "0001-01-01T00:00:00Z",
        "updatedBy": "",
        "createdBy": "",
        "version": 0,
        "hasAcl": False,
        "isFolder": False,
        "folderId": 0,
        "folderUid": "",
        "folderTitle": "",
        "folderUrl": "",
        "provisioned": False,
        "provisionedExternalId": "",
        "annotationsPermissions": None,
        "publicDashboardAccessToken": "",
        "publicDashboardUid": "",
        "publicDashboardEnabled": False,
    }


def _object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
