"""Judging terraform.tfvars: is it there, does it parse, whom does it let in?"""

from __future__ import annotations

import ipaddress
from typing import Any

import hcl2

from blocks.models.errors import Refused
from blocks.models.verdict import Judgement, failed, passed


def read_tfvars(text: str) -> dict[str, Any]:
    """Parse a tfvars file.

    Raises:
        Refused: it is not HCL; says where.
    """
    try:
        parsed: dict[str, Any] = hcl2.loads(text if text.endswith("\n") else text + "\n")
    except Exception as error:
        # The parser raises its grammar library's own exceptions, which share no base of their own.
        line = getattr(error, "line", "?")
        raise Refused(
            f'terraform.tfvars does not parse (line {line}); wanted is HCL such as admin_cidrs = ["203.0.113.7/32"]: '
            "compare it with terraform.tfvars.example."
        ) from error
    return {key: _unquoted(value) for key, value in parsed.items() if not key.startswith("__")}


def judge_tfvars(values: dict[str, Any], detected: str | None) -> Judgement:
    """Judge the networks that are let in.

    Args:
        values: the parsed file.
        detected: the worker's own address, asked for only when admin_cidrs is empty.
    """
    raw = values.get("admin_cidrs", [])
    cidrs = [str(item) for item in raw] if isinstance(raw, list) else [str(raw)]
    if not cidrs:
        if detected is None:
            return failed(
                "admin_cidrs is empty and the worker's public address could not be detected; "
                'set admin_cidrs = ["<your address>/32"] in terraform.tfvars.'
            )
        return passed(f"admin_cidrs is empty: {detected}/32 was detected and is used.")
    for cidr in cidrs:
        try:
            network = ipaddress.ip_network(cidr, strict=False)
        except ValueError:
            return failed(f"admin_cidrs has '{cidr}', which is no network; wanted is one such as 203.0.113.7/32.")
        if network.prefixlen == 0:
            return failed(f"admin_cidrs has {cidr}, the whole internet; name the networks that need access.")
    return passed(f"{len(values)} values; admin_cidrs: {', '.join(cidrs)}.")


def _unquoted(value: Any) -> Any:  # noqa: ANN401 - HCL values
    if isinstance(value, list):
        return [_unquoted(item) for item in value]
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value
