"""Runs that die. Their stacks are those of tests.rehearsal, which says first where a worker's stack is."""

import tests.rehearsal  # noqa: F401
