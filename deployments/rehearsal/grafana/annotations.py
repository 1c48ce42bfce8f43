"""Annotations: stored, changed and found as `/api/annotations` does."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from deployments.rehearsal.grafana.answers import ApiError, Json, bad_request_data, coded, plain
from deployments.rehearsal.grafana.journal import Lines

TAGS_LIMIT = 500
"""Characters of all tags of one annotation together (Grafana's default `tags_length`)."""

DEFAULT_LIMIT = 100
"""Annotations of a `GET` without a limit."""

LOGIN = "sa-1-rampart"


@dataclass(frozen=True)
class Annotation:
    """One annotation; times are epoch milliseconds.

    Attributes:
        id: Its number.
        dashboard_uid: Empty when it belongs to the organisation.
        panel_id: 0 when it belongs to the whole dashboard.
        time: Start.
        time_end: End; equal to the start for a point.
        text: What is shown.
        tags: Its tags.
        created: When it was stored.
        updated: When it was last changed.
    """

    id: int
    dashboard_uid: str
    panel_id: int
    time: int
    time_end: int
    text: str
    tags: tuple[str, ...]
    created: int
    updated: int


class Annotations:
    """All annotations.

    Args:
        file: Where they are kept.
    """

    def __init__(self, file: Path) -> None:
        self._lines = Lines(file)
        self._items: dict[int, Annotation] = {}
        self._last = 0
        for line in self._lines.read():
            self._last = max(self._last, line["id"])
            if line.get("deleted"):
                self._items.pop(line["id"], None)
            else:
                self._items[line["id"]] = Annotation(**{**line, "tags": tuple(line["tags"])})

    def add(self, body: Mapping[str, Json], known_dashboards: Sequence[str]) -> int:
        """Store one and return its id. An unknown dashboardUID is stored organisation-wide, as Grafana does.

        Raises:
            ApiError: 400 when the text is missing, a field has the wrong type or the tags are too long.
        """
        now = _now_ms()
        start = _whole(body, "time") or now
        end = _whole(body, "timeEnd") or start
        tags, text = _tags(body), _text(body)
        if not text:
            raise plain(400, "Failed to save annotation")
        uid = str(body.get("dashboardUID") or "")
        self._last += 1
        self._keep(
            Annotation(
                id=self._last,
                dashboard_uid=uid if uid in known_dashboards else "",
                panel_id=_whole(body, "panelId"),
                time=min(start, end),
                time_end=max(start, end),
                text=text,
                tags=tags,
                created=now,
                updated=now,
            )
        )
        return self._last

    def change(self, number: int, body: Mapping[str, Json], *, whole: bool) -> None:
        """Change one: `PATCH` leaves out what stays, `PUT` (`whole`) needs a text.

        Raises:
            ApiError: 404 when there is none, 400 for wrong fields.
        """
        old = self.get(number)
        text = _text(body) or ("" if whole else old.text)
        if not text:
            raise plain(400, "Failed to update annotation")
        start = _whole(body, "time") or old.time
        end = _whole(body, "timeEnd") or (max(old.time_end, start) if old.time_end != old.time else start)
        self._keep(
            replace(
                old,
                text=text,
                time=min(start, end),
                time_end=max(start, end),
                tags=_tags(body) if whole or body.get("tags") is not None else old.tags,
                updated=_now_ms(),
            )
        )

    def delete(self, number: int) -> None:
        """Delete one.

        Raises:
            ApiError: 404 when there is none.
        """
        self.get(number)
        del self._items[number]
        self._lines.append({"id": number, "deleted": True})

    def get(self, number: int) -> Annotation:
        """The annotation with this id.

        Raises:
            ApiError: 404 when there is none.
        """
        if number not in self._items:
            raise ApiError(404, {"message": "Annotation not found"})
        return self._items[number]

    def find(  # noqa: PLR0913 - the filters of the API
        self,
        *,
        dashboard_uid: str = "",
        from_ms: int = 0,
        to_ms: int = 0,
        tags: Sequence[str] = (),
        match_any: bool = False,
        limit: int = DEFAULT_LIMIT,
    ) -> list[Annotation]:
        """Those that match all filters, newest first; those that overlap the range when both ends are given."""
        matching = any if match_any else all
        found = [
            item
            for item in self._items.values()
            if (not dashboard_uid or item.dashboard_uid == dashboard_uid)
            and (not (from_ms and to_ms) or (item.time <= to_ms and item.time_end >= from_ms))
            and (not tags or matching(tag in item.tags for tag in tags))
        ]
        return sorted(found, key=lambda item: (item.time_end, item.time, item.id), reverse=True)[:limit]

    def _keep(self, item: Annotation) -> None:
        self._items[item.id] = item
        self._lines.append(asdict(item))


def view(item: Annotation, dashboard_id: int) -> Json:
    """One item of `GET /api/annotations`.

    Args:
        item: The annotation.
        dashboard_id: Number of its dashboard, 0 for the organisation's.
    """
    return {
        "id": item.id,
        "alertId": 0,
        "alertName": "",
        "dashboardId": dashboard_id,
        "dashboardUID": item.dashboard_uid or None,
        "panelId": item.panel_id,
        "userId": 0,
        "userName": "",
        "newState": "",
        "prevState": "",
        "created": item.created,
        "updated": item.updated,
        "time": item.time,
        "timeEnd": item.time_end,
        "text": item.text,
        "tags": list(item.tags),
        "login": LOGIN,
        "email": LOGIN,
        "avatarUrl": f"/avatar/{hashlib.md5(LOGIN.encode(), usedforsecurity=False).hexdigest()}",
        "data": {},
    }


def _whole(body: Mapping[str, Json], key: str) -> int:
    value = body.get(key)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int):
        raise bad_request_data()
    return value


def _text(body: Mapping[str, Json]) -> str:
    text = body.get("text")
    if text is not None and not isinstance(text, str):
        raise bad_request_data()
    return text or ""


def _tags(body: Mapping[str, Json]) -> tuple[str, ...]:
    tags = body.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise bad_request_data()
    texts = tuple(str(tag) for tag in tags)
    if sum(len(tag) for tag in texts) > TAGS_LIMIT:
        raise coded(400, "annotations.tag-limit-exceeded", "Tags length exceeds the maximum allowed.")
    return texts


def _now_ms() -> int:
    return int(time.time() * 1000)
