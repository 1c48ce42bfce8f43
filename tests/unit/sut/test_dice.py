from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture
def dice(service_module: Callable[[str], Any]) -> Any:
    return service_module("ebit_bet.dice")


@pytest.mark.parametrize(
    ("amount", "target"),
    [
        (0, 50),
        (-1, 50),
        (10_001, 50),
        ("1", 50),
        (None, 50),
        (True, 50),
        (float("nan"), 50),
        (1, 1.9),
        (1, 98.1),
        (1, None),
        (1, [50]),
    ],
)
def test_an_unusable_bet_is_400(
    dice: Any, service_module: Callable[[str], Any], amount: object, target: object
) -> None:
    with pytest.raises(service_module("ebit_shared.web").RefusedError) as refusal:
        dice.check(amount, target)
    assert refusal.value.status == 400


def test_a_roll_under_the_target_wins_and_at_the_target_loses(dice: Any) -> None:
    assert dice.judge(1, 50, 49.99) == dice.Roll(49.99, won=True, payout=1.98)
    assert dice.judge(1, 50, 50.0) == dice.Roll(50.0, won=False, payout=0.0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(amount=st.floats(1, 10_000), target=st.floats(2, 98))
def test_the_house_keeps_its_edge(dice: Any, amount: float, target: float) -> None:
    expected = dice.judge(amount, target, 0.0).payout * target / 100
    assert expected == pytest.approx(amount * 0.99, abs=0.01)
