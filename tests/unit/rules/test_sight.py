"""Each of several is seen for itself."""

from __future__ import annotations

from tasks.rules.sight import LastSeen


def test_one_that_falls_silent_is_named_although_the_others_are_seen() -> None:
    watch = LastSeen[str](15.0)
    both = ("segment-01", "segment-02")
    assert watch.silent({"segment-01": 10.0, "segment-02": 10.0}, both, 10.0) == {}
    assert watch.silent({"segment-01": 25.0}, both, 25.0) == {}
    assert watch.silent({"segment-01": 26.0}, both, 26.0) == {"segment-02": 16.0}


def test_what_was_seen_before_it_was_expected_says_nothing() -> None:
    watch = LastSeen[str](15.0)
    assert watch.silent({"a": 1.0}, ["a"], 100.0) == {}
    assert watch.silent({"a": 1.0}, ["a"], 115.0) == {}
    assert watch.silent({"a": 1.0}, ["a"], 116.0) == {"a": 16.0}


def test_one_that_was_not_expected_for_a_while_is_waited_for_anew() -> None:
    watch = LastSeen[str](15.0)
    watch.silent({}, ["a"], 0.0)
    assert watch.silent({}, [], 20.0) == {}
    assert watch.silent({}, ["a"], 30.0) == {}
    assert watch.silent({}, ["a"], 46.0) == {"a": 16.0}


def test_an_old_answer_does_not_undo_a_newer_one() -> None:
    watch = LastSeen[str](15.0)
    watch.silent({"a": 20.0}, ["a"], 20.0)
    assert watch.silent({"a": 4.0}, ["a"], 30.0) == {}


def test_what_is_forgotten_is_waited_for_anew() -> None:
    watch = LastSeen[str](15.0)
    watch.silent({}, ["a"], 0.0)
    watch.forget()
    assert watch.silent({}, ["a"], 30.0) == {}
    assert watch.silent({}, ["a"], 46.0) == {"a": 16.0}
