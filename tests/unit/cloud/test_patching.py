import pytest

from deployments.rehearsal.cloud.patching import MotoChangedError, add, replace


class Moto:
    def known(self) -> str:
        return "moto"


def test_what_moto_no_longer_has_cannot_be_replaced() -> None:
    with pytest.raises(MotoChangedError, match="has no gone"):
        replace(Moto, "gone", None)


def test_what_moto_has_by_now_is_not_overwritten_silently() -> None:
    with pytest.raises(MotoChangedError, match="has its own known"):
        add(Moto, "known", None)
    assert Moto().known() == "moto"
