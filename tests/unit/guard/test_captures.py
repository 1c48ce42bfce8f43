"""Orders for evidence: given at once, left when quiet is needed."""

from __future__ import annotations

from tasks.captures import Captures


def test_orders_come_in_turn_until_no_more_follow() -> None:
    captures = Captures()
    captures.take(1)
    captures.take(2)
    captures.close()
    assert [order.number for order in captures] == [1, 2]


def test_quiet_leaves_every_order_given_before_and_none_given_after() -> None:
    captures = Captures()
    captures.take(1)
    captures.take(2)
    captures.hush()
    captures.take(3)
    captures.close()
    orders = list(captures)
    assert [order.go_on() for order in orders] == [False, False, True]
    assert [order.why_not() for order in orders] == ["the next stage needed the quiet before it was taken"] * 2 + [""]
