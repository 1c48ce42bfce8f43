from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.rehearsal.engine import units
from deployments.rehearsal.engine.errors import EngineError
from deployments.rehearsal.engine.reference import Reference, parse_reference

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("0", 0), ("4096", 4096), ("512m", 512 << 20), ("1gb", 1 << 30), ("1.5K", 1536), ("2GiB", 2 << 30)],
)
def test_sizes_are_read_as_compose_does(text: str, size_bytes: int) -> None:
    assert units.parse_size_bytes(text) == size_bytes


@pytest.mark.parametrize(("text", "seconds"), [("10s", 10), ("1m30s", 90), ("500ms", 0.5), ("3", 3), ("1h", 3600)])
def test_durations_are_read_as_go_does(text: str, seconds: float) -> None:
    assert units.parse_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "ten", "5 s", "1x", "-1s"])
def test_what_is_no_duration_is_an_error(text: str) -> None:
    with pytest.raises(EngineError):
        units.parse_duration_s(text)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0B"), (212992, "208KiB"), (25276510208, "23.54GiB"), (64 << 20, "64MiB")]
)
def test_memory_is_written_as_docker_stats_does(size: int, text: str) -> None:
    assert units.binary_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (600, "10 minutes"),
        (3600, "About an hour"),
        (7200, "2 hours"),
        (3 * 86400, "3 days"),
    ],
)
def test_ages_are_written_as_docker_does(seconds: float, text: str) -> None:
    assert units.age(seconds) == text


@given(st.floats(min_value=0, max_value=4e9))
def test_a_written_time_is_read_back(seconds: float) -> None:
    assert units.seconds_since_epoch(units.rfc3339(seconds)) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "reference", "registry", "repository"),
    [
        ("tiny", Reference("tiny", "latest", ""), "", "tiny"),
        ("tiny:1", Reference("tiny", "1", ""), "", "tiny"),
        ("team/tiny:1", Reference("team/tiny", "1", ""), "", "team/tiny"),
        ("127.0.0.1:5000/a/b:t", Reference("127.0.0.1:5000/a/b", "t", ""), "127.0.0.1:5000", "a/b"),
        (f"localhost/a@{DIGEST}", Reference("localhost/a", "", DIGEST), "localhost", "a"),
        (f"h.example/a:t@{DIGEST}", Reference("h.example/a", "t", DIGEST), "h.example", "a"),
    ],
)
def test_references_are_taken_apart(text: str, reference: Reference, registry: str, repository: str) -> None:
    found = parse_reference(text)
    assert (found, found.registry, found.repository) == (reference, registry, repository)


@pytest.mark.parametrize("text", ["", "team/UPPER", "a b", "a:", "a@sha256:12", "a//b"])
def test_what_is_no_reference_is_an_error(text: str) -> None:
    with pytest.raises(EngineError, match="invalid reference format"):
        parse_reference(text)
