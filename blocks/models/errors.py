"""Why a run could not go on.

RampartError
+-- Refused            what the operator gave cannot be used: the run does not start or is stopped early
+-- Failed             an outside system answered, and the answer is a no
+-- Unavailable        an outside system did not answer
    +-- NoData         it answered, but with nothing to judge

Each message is one sentence or two for the operator: what was seen, what was wanted, what to do.
"""


class RampartError(Exception):
    """Anything that ends a check or a phase with a sentence for the operator."""


class Refused(RampartError):
    """Input that cannot be used."""


class Failed(RampartError):
    """An outside system said no."""


class Unavailable(RampartError):
    """An outside system did not answer."""


class NoData(Unavailable):
    """An outside system answered with nothing to judge; never health."""
