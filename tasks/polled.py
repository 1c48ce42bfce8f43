"""A question that is asked again and again in a thread of its own, so that nobody waits for its answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tasks.log import run_logger

T = TypeVar("T")

# Answers that are still out at the end are not waited for longer than this; their threads end with the process.
_STOP_S = 2.0


@dataclass(frozen=True)
class Answer(Generic[T]):
    """An answer, and how old it is."""

    value: T
    asked_s: float
    """When it was asked for, by a clock that only goes forward: what happened later is not in it."""


class Polled(Generic[T]):
    """A question and its newest answer.

    A question that fails, or hangs, leaves the last answer as it is: it grows old, and who reads it sees that.

    Args:
        what: what is asked, as the operator knows it.
        ask: asks once; runs in a thread of its own with the context of whoever starts it.
        every_s: seconds between an answer and the next question.
    """

    def __init__(self, what: str, ask: Callable[[], T], every_s: float) -> None:
        self._what, self._ask, self._every_s = what, ask, every_s
        self._answer: Answer[T] | None = None
        self._done = threading.Event()

    @property
    def answer(self) -> Answer[T] | None:
        """The newest answer; None before the first."""
        return self._answer

    def newer_than(self, moment_s: float) -> Answer[T] | None:
        """Return the newest answer if it was asked for after a moment; None when there is none yet."""
        answer = self._answer
        return answer if answer is not None and answer.asked_s > moment_s else None

    def start(self) -> threading.Thread:
        """Begin to ask."""
        # A thread does not know Prefect's settings and run of its caller by itself; a hung one must not keep the process.
        thread = threading.Thread(target=copy_context().run, args=(self._work,), name=self._what, daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """Ask no more; a question that is out is not waited for."""
        self._done.set()

    def _work(self) -> None:
        said = ""
        while not self._done.is_set():
            asked_s = time.monotonic()
            try:
                self._answer = Answer(self._ask(), asked_s)
                said = ""
            except Exception as error:  # noqa: BLE001 - whatever it is, the question is asked again
                text = f"{type(error).__name__}: {error}"
                if text != said and not self._done.is_set():
                    run_logger().warning("The guard does not see %s (%s); it asks again.", self._what, text)
                said = text
            self._done.wait(self._every_s)


@contextmanager
def asking(questions: Iterable[Polled[Any]]) -> Iterator[None]:
    """Ask questions while the body works."""
    asked = list(questions)
    threads = [question.start() for question in asked]
    try:
        yield
    finally:
        for question in asked:
            question.stop()
        deadline = time.monotonic() + _STOP_S
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
