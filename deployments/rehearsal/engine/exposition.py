"""Samples of containers and the page Prometheus scrapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[str, Mapping[str, str], float]
"""Name of the metric (one of HELP), labels, value."""

HELP = {
    "container_cpu_usage_seconds_total": ("counter", "Cumulative cpu time consumed in seconds."),
    "container_spec_cpu_quota": ("gauge", "CPU quota of the container."),
    "container_spec_cpu_period": ("gauge", "CPU period of the container."),
    "container_memory_working_set_bytes": ("gauge", "Current working set in bytes."),
    "container_memory_usage_bytes": ("gauge", "Current memory usage in bytes, including all memory."),
    "container_spec_memory_limit_bytes": ("gauge", "Memory limit for the container; 0 = unlimited."),
    "container_start_time_seconds": ("gauge", "Start time of the container since unix epoch in seconds."),
    "container_oom_events_total": ("counter", "Count of out of memory events observed for the container."),
    "container_last_seen": ("gauge", "Last time a container was seen by the exporter."),
}
"""Type and description of each metric, as cadvisor has them."""


def container_lines(samples: Iterable[Sample]) -> list[str]:
    """Return the lines of the exposition, each metric's samples together."""
    lines: dict[str, list[str]] = {name: [] for name in HELP}
    for name, labels, value in samples:
        shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines[name].append(f"{name}{{{shown}}} {value:.10g}")
    page = []
    for name, (kind, text) in HELP.items():
        if lines[name]:
            page += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *lines[name]]
    return page


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
