"""Prometheus: windowed queries. A failed query, an empty answer and NaN are three different things."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.util.retry import Retry

from blocks.models.errors import Unavailable

# Longer than any windowed query needs, shorter than the guard may be blind.
_TIMEOUT_S = 5


@dataclass(frozen=True)
class Sample:
    """One value of an instant query, without its name; NaN stays NaN."""

    labels: Mapping[str, str]
    value: float

    @property
    def known(self) -> bool:
        """Whether the value is a number."""
        return math.isfinite(self.value)


@dataclass(frozen=True)
class Line:
    """One series of a range query: (unix seconds, value)."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Exemplar:
    """A single observation of a histogram, with the trace it was made in."""

    labels: Mapping[str, str]
    trace_id: str
    value: float
    at: float
    """Unix seconds."""


class Prometheus:
    """One Prometheus server.

    Args:
        url: its address.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._api = PrometheusConnect(
            url=self.url, retry=Retry(total=0), timeout=_TIMEOUT_S, session=requests.Session()
        )

    def query(self, promql: str, at: datetime | None = None) -> tuple[Sample, ...]:
        """Return the samples of an instant query; an empty answer is an empty tuple.

        Raises:
            Unavailable: the query failed or the server does not answer.
        """
        with self._sentences(promql):
            rows = self._api.custom_query(promql, params={"time": at.timestamp()} if at else None)
        return tuple(Sample(labels=row["metric"], value=float(row["value"][1])) for row in rows if "value" in row)

    def query_range(self, promql: str, start: datetime, end: datetime, step_s: float) -> tuple[Line, ...]:
        """Return the series of a range query.

        Raises:
            Unavailable: the query failed or the server does not answer.
        """
        with self._sentences(promql):
            rows = self._api.custom_query_range(promql, start_time=start, end_time=end, step=str(step_s))
        return tuple(
            Line(labels=row["metric"], points=tuple((float(time), float(value)) for time, value in row["values"]))
            for row in rows
            if "values" in row
        )

    def value(self, promql: str, at: datetime | None = None) -> float | None:
        """Return the one number of a query, or None when there is none."""
        samples = self.query(promql, at)
        return samples[0].value if samples and samples[0].known else None

    def metric_names(self) -> frozenset[str]:
        """Return the names of all metrics the server holds.

        Raises:
            Unavailable: the query failed or the server does not answer.
        """
        with self._sentences("names of metrics"):
            return frozenset(self._api.get_label_values("__name__"))

    def exemplars(self, promql: str, start: datetime, end: datetime) -> tuple[Exemplar, ...]:
        """Return the exemplars of a query's series, the highest values first; none where the server keeps none.

        Raises:
            Unavailable: the query failed or the server does not answer.
        """
        limits = {"query": promql, "start": str(start.timestamp()), "end": str(end.timestamp())}
        with self._sentences(promql):
            answer = requests.get(f"{self.url}/api/v1/query_exemplars", params=limits, timeout=_TIMEOUT_S)
            answer.raise_for_status()
            found = [
                Exemplar(
                    labels=series["seriesLabels"], trace_id=str(item["labels"].get("trace_id", "")),
                    value=float(item["value"]), at=float(item["timestamp"]),
                )
                for series in answer.json()["data"]
                for item in series["exemplars"]
            ]  # fmt: skip
        return tuple(sorted(found, key=lambda item: (-item.value, item.at)))

    def version(self) -> str:
        """Return the server's version; also the proof that it answers.

        Raises:
            Unavailable: it does not answer.
        """
        with self._sentences("build information"):
            answer = requests.get(f"{self.url}/api/v1/status/buildinfo", timeout=_TIMEOUT_S)
            answer.raise_for_status()
            return str(answer.json()["data"]["version"])

    @contextmanager
    def _sentences(self, what: str) -> Iterator[None]:
        try:
            yield
        except (requests.ConnectionError, requests.Timeout) as error:
            # What the system said stands at the end of what three libraries put before it.
            said = str(getattr(error.args[0], "reason", error) if error.args else error).rpartition(": ")[2]
            raise Unavailable(
                f"Prometheus at {self.url} did not answer ({said[:100]}): see whether it runs and the worker reaches it, or correct "
                "observability.monitoring_url of the environment block."
            ) from error
        except (requests.RequestException, PrometheusApiClientException, KeyError, ValueError) as error:
            raise Unavailable(
                f"Prometheus at {self.url} did not answer '{what[:120]}': {str(error)[:200]}; "
                "is it up and is monitoring_url right?"
            ) from error
