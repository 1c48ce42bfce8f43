"""Feeds Prometheus with a past by remote write: a test cannot wait ten minutes for ten minutes of samples."""

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import httpx

SCHEMA = 3
"""Bucket factor 2^(1/8): what k6 pushes (facts/k6.md)."""


@dataclass(frozen=True)
class Series:
    """One series: numbers, or for a native histogram the observations (in seconds) made until each moment."""

    labels: Mapping[str, str]
    samples: Sequence[tuple[int, float]] = ()
    observations: Sequence[tuple[int, Sequence[float]]] = field(default=())


def push(prometheus_url: str, series: Sequence[Series]) -> None:
    """Send all of it in one request (WriteRequest of Prometheus' remote.proto, snappy without compression)."""
    body = b"".join(_field(1, _series(one)) for one in series)
    response = httpx.post(
        f"{prometheus_url}/api/v1/write",
        content=_snappy(body),
        headers={"Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"},
        trust_env=False,
    )
    response.raise_for_status()


def _series(one: Series) -> bytes:
    labels = b"".join(_field(1, _field(1, k.encode()) + _field(2, v.encode())) for k, v in sorted(one.labels.items()))
    samples = b"".join(_field(2, _double(1, value) + _integer(2, time_ms)) for time_ms, value in one.samples)
    return labels + samples + b"".join(_field(4, part) for part in _histograms(one.observations))


def _histograms(observations: Sequence[tuple[int, Sequence[float]]]) -> Iterator[bytes]:
    buckets: dict[int, int] = {}
    total = 0.0
    for time_ms, seconds in observations:
        for value in seconds:
            index = math.ceil(math.log2(value) * 2**SCHEMA)
            buckets[index] = buckets.get(index, 0) + 1
            total += value
        spans, deltas, end, previous = b"", b"", 0, 0
        for index in sorted(buckets):
            spans += _field(11, _integer(1, _zigzag(index - end)) + _integer(2, 1))
            deltas += _varint(_zigzag(buckets[index] - previous))
            end, previous = index + 1, buckets[index]
        head = (
            _integer(1, sum(buckets.values())) + _double(3, total) + _integer(4, _zigzag(SCHEMA)) + _double(5, 1e-128)
        )
        yield head + _integer(6, 0) + spans + _field(12, deltas) + _integer(15, time_ms)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _integer(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _double(number: int, value: float) -> bytes:
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _snappy(content: bytes) -> bytes:
    parts = [_varint(len(content))]
    for start in range(0, len(content), 1 << 16):
        piece = content[start : start + (1 << 16)]
        parts.append(bytes([61 << 2]) + struct.pack("<H", len(piece) - 1) + piece)
    return b"".join(parts)
