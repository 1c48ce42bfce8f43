"""The one place that prints: answers to standard output, progress and errors to standard error, as docker does."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def out(text: str) -> None:
    """Prints one line of the answer."""
    sys.stdout.write(text + "\n")


def err(text: str) -> None:
    """Prints one line of progress, warning or error, at once."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints columns padded to their widest cell, three blanks apart, as docker's tables are."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    for row in (header, *rows):
        out("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
