import pytest

from deployments.setup.catalogue import TOOLS, Tool
from deployments.setup.versions import fits, parse_version, version_key

PRINTED = {
    "k6": ("k6 v1.1.0 (commit/6a28be3, go1.24.4, linux/amd64)", "1.1.0"),
    "node": ("v24.19.0\n", "24.19.0"),
    "terraform": ("Terraform v1.11.4\non linux_amd64\n", "1.11.4"),
    "prometheus": ("prometheus, version 2.42.0+ds (branch: debian/sid, revision: 2.42.0+ds-5)", "2.42.0"),
    "sshd": ("unknown option -- V\nOpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.19", "9.2p1"),
    "ssh-keygen": ("OpenSSH_8.4p1 Debian-5, OpenSSL 1.1.1n", "8.4p1"),
    "chromium": ("Google Chrome 126.0.6478.55 ", "126.0.6478.55"),
    "aws": ("aws-cli/2.15.0 Python/3.11.6 Linux/6.1", "2.15.0"),
}


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_the_version_is_read_from_what_each_tool_prints(tool: Tool) -> None:
    output, version = PRINTED[tool.name]
    assert parse_version(output, tool.pattern) == version


def test_opentofu_is_read_as_terraform_is() -> None:
    terraform = next(tool for tool in TOOLS if tool.name == "terraform")
    assert parse_version("OpenTofu v1.9.4\non linux_amd64", terraform.pattern) == "1.9.4"


def test_output_without_a_version_gives_none() -> None:
    assert parse_version("command not found", TOOLS[0].pattern) is None


@pytest.mark.parametrize(
    ("version", "key"), [("9.2p1", (9, 2)), ("1.9.4-dev", (1, 9, 4)), ("2.42.0+ds", (2, 42, 0)), ("unknown", ())]
)
def test_the_leading_numbers_are_compared(version: str, key: tuple[int, ...]) -> None:
    assert version_key(version) == key


@pytest.mark.parametrize(
    ("version", "minimum", "below", "expected"),
    [
        ("22.0.0", "22", None, True),
        ("20.20.2", "22", None, False),
        ("5.100.0", "5.62", None, True),
        ("5.9.0", "5.62", None, False),
        ("2.0.0", "1.1", "2", False),
        ("1.11.4", "1.6", "2", True),
        ("", "1", None, False),
    ],
)
def test_a_version_fits_from_the_minimum_to_below_the_bound(
    version: str, minimum: str, below: str | None, *, expected: bool
) -> None:
    assert fits(version, minimum, below) is expected
