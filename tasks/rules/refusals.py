"""What pydantic refuses, as sentences for the operator."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError


def sentence_of(error: ValidationError) -> str:
    """Return a sentence for each value that is refused: where it is, what it is, what is wanted; near names for a choice."""
    sentences = []
    for item in error.errors(include_url=False):
        where = ".".join(str(part) for part in item["loc"])
        sentences.append(f"{where} is {item['input']!r}: {item['msg'][0].lower()}{item['msg'][1:]}{_near(item)}")
    return " ".join(sentences)


def _near(item: Mapping[str, Any]) -> str:
    if item["type"] != "literal_error":
        return "."
    choices = re.findall(r"'([^']*)'", item["ctx"]["expected"])
    near = get_close_matches(str(item["input"]), choices, n=1)
    return f"; did you mean '{near[0]}'?" if near else "."
