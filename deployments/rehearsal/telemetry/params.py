"""Query parameters as Jaeger reads them, with Go's words for the ones it cannot read."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from deployments.rehearsal.telemetry.search import DEFAULT_LIMIT, Search
from deployments.rehearsal.telemetry.web import Request

DEFAULT_LOOKBACK_NS = 2 * 24 * 3600 * 10**9
"""Two days back without `start`; `defaultTraceQueryLookbackDuration` of Jaeger's query parser."""

NS_PER_US = 1_000

T = TypeVar("T")

_TRACE_ID_DIGITS = 32
_SHORT_TRACE_ID_DIGITS = 16

_UNIT_NS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)([^\d.]*)")


class ParameterError(ValueError):
    """A parameter that cannot be read; the message is the one Jaeger answers with."""


def trace_id(text: str) -> bytes:
    """Read a trace id of 32 hexadecimal digits, or of 16, which stand for the lower half.

    Raises:
        ParameterError: any other length, or other characters.
    """
    if len(text) > _TRACE_ID_DIGITS:
        raise ParameterError(f"TraceID cannot be longer than {_TRACE_ID_DIGITS} hex characters: {text}")
    if len(text) not in {_SHORT_TRACE_ID_DIGITS, _TRACE_ID_DIGITS}:
        raise ParameterError("invalid length for TraceID")
    try:
        return bytes.fromhex(text.rjust(_TRACE_ID_DIGITS, "0"))
    except ValueError as error:
        wrong = next(c for c in text if c not in "0123456789abcdefABCDEF")
        raise ParameterError(f"encoding/hex: invalid byte: U+{ord(wrong):04X} '{wrong}'") from error


def duration_ns(text: str) -> int:
    """Read a Go duration such as `500ms` or `1m30.5s`.

    Raises:
        ParameterError: a number without a unit, an unknown unit, no duration at all.
    """
    unsigned = text.lstrip("+-")
    if unsigned == "0":
        return 0
    parts = _DURATION_PART.findall(unsigned)
    if not parts or "".join(number + unit for number, unit in parts) != unsigned:
        raise ParameterError(f'time: invalid duration "{text}"')
    total = 0.0
    for number, unit in parts:
        if not unit:
            raise ParameterError(f'time: missing unit in duration "{text}"')
        if unit not in _UNIT_NS:
            raise ParameterError(f'time: unknown unit "{unit}" in duration "{text}"')
        total += float(number) * _UNIT_NS[unit]
    return round(-total if text.startswith("-") else total)


def tags_map(text: str) -> dict[str, str]:
    """Read a JSON map of strings.

    Raises:
        ParameterError: no JSON, no map, or a value that is no string.
    """
    try:
        tags = json.loads(text)
    except json.JSONDecodeError as error:
        raise ParameterError(_go_syntax_error(text, error)) from error
    if not isinstance(tags, dict):
        raise ParameterError("json: cannot unmarshal value into Go value of type map[string]string")
    if not all(isinstance(value, str) for value in tags.values()):
        raise ParameterError("json: cannot unmarshal value into Go value of type string")
    return tags


def legacy_search(request: Request) -> Search:
    """Read the parameters of `/api/traces`: times in Unix microseconds, durations as Go strings.

    Raises:
        ParameterError: the first parameter that cannot be read, by name.
    """

    def read(name: str, reader: Callable[[str], T], default: T) -> T:
        return _read(reader, request.first(name), default, f"unable to parse param '{name}': ")

    end_ns = read("end", _microseconds, time.time_ns())
    search = Search(
        start_ns=read("start", _microseconds, end_ns - DEFAULT_LOOKBACK_NS),
        end_ns=end_ns,
        service=request.first("service"),
        operation=request.first("operation"),
        min_duration_ns=read("minDuration", _optional_duration_ns, None),
        max_duration_ns=read("maxDuration", _optional_duration_ns, None),
        tags=_legacy_tags(request),
        limit=read("limit", _integer, DEFAULT_LIMIT),
    )
    return _ordered(search, "'maxDuration' should be greater than 'minDuration'")


def v3_search(request: Request) -> Search:
    """Read the parameters of `/api/v3/traces`, in camelCase or snake_case: times as RFC 3339, durations as Go strings.

    Raises:
        ParameterError: a time range is missing, or a parameter cannot be read.
    """

    def text(name: str, *others: str) -> str:
        snake = re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)
        return request.first(*(f"query.{spelling}" for spelling in (name, snake, *others)))

    def read(name: str, reader: Callable[[str], T], default: T, *others: str) -> T:
        return _read(reader, text(name, *others), default, f"malformed parameter query.{name}: ")

    if not text("startTimeMin") or not text("startTimeMax"):
        raise ParameterError("query.startTimeMin and query.startTimeMax are required")
    search = Search(
        start_ns=read("startTimeMin", _rfc3339_ns, 0),
        end_ns=read("startTimeMax", _rfc3339_ns, 0),
        service=text("serviceName"),
        operation=text("operationName"),
        min_duration_ns=read("durationMin", _optional_duration_ns, None),
        max_duration_ns=read("durationMax", _optional_duration_ns, None),
        tags=read("attributes", tags_map, {}),
        limit=read("searchDepth", _integer, DEFAULT_LIMIT, "num_traces", "numTraces"),
    )
    return _ordered(search, "query.durationMax must be greater than query.durationMin")


def _read(reader: Callable[[str], T], text: str, default: T, complaint: str) -> T:
    """Return what the reader makes of the text, the default for no text."""
    if not text:
        return default
    try:
        return reader(text)
    except ParameterError as error:
        raise ParameterError(f"{complaint}{error}") from error


def _ordered(search: Search, complaint: str) -> Search:
    """Return the search unless its longest duration is below its shortest."""
    shortest, longest = search.min_duration_ns, search.max_duration_ns
    if shortest is not None and longest is not None and longest < shortest:
        raise ParameterError(complaint)
    return search


def _legacy_tags(request: Request) -> dict[str, str]:
    """Read `tag=key:value` and `tags={"key": "value"}`, each any number of times."""
    tags: dict[str, str] = {}
    for pair in request.query.get("tag", ()):
        key, colon, value = pair.partition(":")
        if not colon:
            raise ParameterError(f"malformed 'tag' parameter, expecting key:value, received: {pair}")
        tags[key] = value
    for text in request.query.get("tags", ()):
        tags |= _read(tags_map, text, tags, "malformed 'tags' parameter, cannot unmarshal JSON: ")
    return tags


def _integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise ParameterError(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def _microseconds(text: str) -> int:
    return _integer(text) * NS_PER_US


def _optional_duration_ns(text: str) -> int | None:
    """Read a duration, typed so that None may be its default."""
    return duration_ns(text)


def _rfc3339_ns(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ParameterError(f'parsing time "{text}" as "2006-01-02T15:04:05.999999999Z07:00"') from error
    if moment.tzinfo is None:
        raise ParameterError(f'parsing time "{text}": cannot parse "" as "Z07:00"')
    # Whole microseconds: a float of nanoseconds since 1970 has lost the last hundreds of them.
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * NS_PER_US


def _go_syntax_error(text: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(text):
        return "unexpected end of JSON input"
    of_a_key = "property name" in error.msg
    where = "looking for beginning of object key string" if of_a_key else "looking for beginning of value"
    return f"invalid character '{text[error.pos]}' {where}"
