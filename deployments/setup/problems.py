"""What setup could not do, as sentences for the person who started it.

SetupProblem            one sentence: what was seen, what was wanted, what to do
`- PythonPackagesFailed the virtual environment could not be made or filled
`- ToolMissing          a tool is in none of its sources
`- ProviderMissing      no usable AWS provider for Terraform
`- SetupBusy            another setup of the same checkout does not end
"""


class SetupProblem(Exception):
    """Base of everything setup reports; its text is the whole message."""


class PythonPackagesFailed(SetupProblem):
    """The virtual environment could not be made, or pip failed in it."""


class ToolMissing(SetupProblem):
    """A tool was found in none of its sources."""


class ProviderMissing(SetupProblem):
    """No source has an AWS provider that `init` accepts."""


class SetupBusy(SetupProblem):
    """Another setup holds the lock of this checkout for too long."""
