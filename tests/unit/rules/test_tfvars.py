"""Whom terraform.tfvars lets in."""

from __future__ import annotations

import pytest

from blocks.models.errors import Refused
from blocks.models.verdict import Verdict
from tasks.rules.tfvars import judge_tfvars, read_tfvars


def test_values_are_read_without_their_quotes() -> None:
    values = read_tfvars('region = "eu-north-1"\ncount = 2\nadmin_cidrs = ["203.0.113.7/32", "198.51.100.0/24"]')
    assert values == {"region": "eu-north-1", "count": 2, "admin_cidrs": ["203.0.113.7/32", "198.51.100.0/24"]}


@pytest.mark.parametrize("text", ["admin_cidrs = [", "= 3", 'a = "b', "{{{"])
def test_broken_hcl_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Refused, match=r"does not parse \(line .*terraform\.tfvars\.example"):
        read_tfvars(text)


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "::/0", "203.0.113.7/0", "2001:db8::1/0"])
def test_the_whole_internet_is_refused_however_it_is_written(cidr: str) -> None:
    judged = judge_tfvars({"admin_cidrs": ["198.51.100.0/24", cidr]}, None)
    assert judged.verdict is Verdict.FAIL
    assert cidr in judged.detail


@pytest.mark.parametrize("cidr", ["my office", "300.0.0.1/32", "203.0.113.7/33", ""])
def test_nonsense_is_no_network(cidr: str) -> None:
    judged = judge_tfvars({"admin_cidrs": [cidr]}, None)
    assert judged.verdict is Verdict.FAIL
    assert "is no network" in judged.detail


@pytest.mark.parametrize("cidrs", [["203.0.113.7/32"], ["203.0.113.9/24"], ["2001:db8::/48"], "203.0.113.7/32"])
def test_named_networks_pass(cidrs: object) -> None:
    assert judge_tfvars({"admin_cidrs": cidrs}, None).passed


@pytest.mark.parametrize("values", [{}, {"admin_cidrs": []}])
def test_an_empty_list_needs_a_detected_address(values: dict[str, object]) -> None:
    assert judge_tfvars(values, None).verdict is Verdict.FAIL
    judged = judge_tfvars(values, "203.0.113.7")
    assert judged.passed
    assert "203.0.113.7/32" in judged.detail


def test_a_file_as_written_is_judged_end_to_end() -> None:
    assert judge_tfvars(read_tfvars('admin_cidrs = ["0.0.0.0/0"]\n'), None).verdict is Verdict.FAIL
