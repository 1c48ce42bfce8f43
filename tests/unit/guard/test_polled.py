"""A question is asked by itself, and its newest answer says how old it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from tasks.polled import Polled, asking


def _wait(event: threading.Event) -> None:
    assert event.wait(30)


def test_an_answer_is_as_old_as_its_question() -> None:
    asked, go, again = threading.Event(), threading.Event(), threading.Event()
    steps: Iterator[None] = iter((None,))

    def ask() -> str:
        if next(steps, "again") == "again":
            again.set()
            go.clear()
            go.wait(30)
        asked.set()
        go.wait(30)
        return "seen"

    polled = Polled("it", ask, 0.0)
    with asking([polled]):
        _wait(asked)
        assert polled.answer is None
        later_s = time.monotonic()
        go.set()
        _wait(again)
        assert polled.answer is not None
        assert polled.answer.value == "seen"
        # It came after this moment, and was asked for before.
        assert polled.newer_than(later_s) is None
        assert polled.newer_than(0.0) == polled.answer
        go.set()


def test_a_question_that_hangs_leaves_the_last_answer_and_keeps_nobody() -> None:
    hangs, never = threading.Event(), threading.Event()
    answers = iter(["first"])

    def ask() -> str:
        for answer in answers:
            return answer
        hangs.set()
        never.wait()
        return "late"

    polled = Polled("it", ask, 0.0)
    with asking([polled]):
        _wait(hangs)
        assert polled.answer is not None
        assert polled.answer.value == "first"
    never.set()


def test_a_question_that_fails_is_asked_again_and_leaves_the_last_answer() -> None:
    failed, answered = threading.Event(), threading.Event()
    steps = iter(["first", "fail", "second", "third"])

    def ask() -> str:
        step = next(steps, "done")
        if step == "fail":
            failed.set()
            message = "no"
            raise OSError(message)
        if step == "done":
            answered.set()
        return step

    polled = Polled("it", ask, 0.0)
    with asking([polled]):
        _wait(failed)
        _wait(answered)
    assert polled.answer is not None
    assert polled.answer.value in {"third", "done"}
