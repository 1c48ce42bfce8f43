"""The worker service: settles bets and sends notifications from its queues."""

import asyncio

from ebit_shared import admin, environment, serve
from ebit_shared.telemetry import Telemetry
from ebit_shared.web import Answer, Application, RefusedError, Request, reply
from opentelemetry.trace import SpanKind

from ebit_worker.queue import Job, Queue, exposition

JOB_MS = 5.0
"""Time one job takes, milliseconds: four workers then settle 800 bets a second."""
NOTIFIERS = 2
"""Workers of the notifications queue."""


class Jobs:
    """What the workers do.

    Args:
        telemetry: where a span per job goes, as a child of the request that enqueued it.
        concurrency: workers of the settlement queue.
        job_ms: time one job takes, milliseconds.
    """

    def __init__(self, telemetry: Telemetry, concurrency: int, job_ms: float) -> None:
        self._telemetry = telemetry
        self.job_ms = job_ms
        self.queues = {
            "settlement": Queue("settlement", self._settle, concurrency),
            "notifications": Queue("notifications", self._notify, NOTIFIERS),
        }

    def settings(self) -> dict[str, admin.Setting]:
        """What may be changed while the service runs."""
        settlement = self.queues["settlement"]

        def set_job_ms(value: float) -> None:
            self.job_ms = value

        return {
            "worker_concurrency": admin.Setting(
                lambda: settlement.concurrency, lambda value: settlement.resize(int(value)), least=1, whole=True
            ),
            "job_ms": admin.Setting(lambda: self.job_ms, set_job_ms),
        }

    async def _settle(self, job: Job) -> None:
        with self._telemetry.span("settlement process", SpanKind.CONSUMER, parent=job["carrier"]):
            await asyncio.sleep(self.job_ms / 1000)
            if job["data"].get("payout"):
                self.queues["notifications"].add(job)

    async def _notify(self, _: Job) -> None:
        await asyncio.sleep(self.job_ms / 1000)


def build(telemetry: Telemetry) -> serve.Service:
    """Make the service from its environment."""
    jobs = Jobs(
        telemetry,
        int(environment.number("WORKER_CONCURRENCY", 4, least=1)),
        environment.number("JOB_MS", JOB_MS),
    )

    async def enqueue(request: Request) -> Answer:
        body = request.json()
        queue = jobs.queues.get(str(body.get("queue")))
        if queue is None or not isinstance(body.get("data"), dict):
            raise RefusedError(400, f"queue must be one of {', '.join(jobs.queues)}, and data an object.")
        carrier = {name: request.headers[name] for name in ("traceparent",) if name in request.headers}
        queue.add({"data": body["data"], "carrier": carrier})
        return reply(202, {"queued": True})

    async def metrics(_: Request) -> Answer:
        return Answer(200, exposition(jobs.queues).encode(), "text/plain; version=0.0.4; charset=utf-8")

    async def health(_: Request) -> Answer:
        return reply(200, {"status": "ok"})

    return serve.Service(
        Application(
            {
                ("POST", "/internal/enqueue"): enqueue,
                ("GET", "/metrics"): metrics,
                ("GET", "/health"): health,
            },
            telemetry=telemetry,
        ),
        admin.application(jobs.settings()),
    )


if __name__ == "__main__":
    serve.run("worker", build)
