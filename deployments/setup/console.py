"""What setup prints: one line a step with its seconds, and a table at the end."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Console:
    """Prints progress, or nothing when quiet; problems are always printed."""

    quiet: bool = False

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print the title when the block begins and its seconds when it ends, also when it fails."""
        started = time.monotonic()
        self._write(f"setup: {title} ... ")
        outcome = "failed after "
        try:
            yield
            outcome = ""
        finally:
            self._write(f"{outcome}{time.monotonic() - started:.1f} s\n")

    def line(self, text: str) -> None:
        """Print one line."""
        self._write(f"setup: {text}\n")

    def table(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Print rows of tool, version and where it came from."""
        rows = [("tool", "version", "from"), *rows]
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        for tool, version, source in rows:
            self._write(f"  {tool:<{widths[0]}}  {version:<{widths[1]}}  {source}\n")

    def problem(self, text: str) -> None:
        """Print a problem to standard error."""
        sys.stderr.write(f"setup: {text}\n")

    def _write(self, text: str) -> None:
        """Write at once: a step may take minutes and its title is printed before."""
        if not self.quiet:
            sys.stdout.write(text)
            sys.stdout.flush()
