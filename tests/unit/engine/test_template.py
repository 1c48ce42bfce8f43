from __future__ import annotations

import pytest

from deployments.rehearsal.engine.errors import EngineError
from deployments.rehearsal.engine.template import render

DATA = {
    "Id": "abc",
    "State": {"Running": True, "ExitCode": 0},
    "Labels": {"a.b": "1", "c": "2"},
    "Digests": ["x", "y"],
    "None": [],
    "Label": lambda name: f"label {name}",
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{.Id}}", "abc"),
        ("{{ .State.Running }} {{.State.ExitCode}}", "true 0"),
        ("{{json .State}}", '{"Running":true,"ExitCode":0}'),
        ("{{index .Digests 1}}", "y"),
        ('{{index .Labels "a.b"}}', "1"),
        ("{{range .Digests}}<{{.}}>{{end}}", "<x><y>"),
        ("{{range .None}}<{{.}}>{{else}}nothing{{end}}", "nothing"),
        ("{{if .None}}yes{{else}}no{{end}}", "no"),
        ("{{if .State.Running}}{{range .Digests}}{{if .}}+{{end}}{{end}}{{else}}no{{end}}!", "++!"),
        ("{{if .None}}{{.Missing}}{{end}}ok", "ok"),
        ("{{.Digests}} {{.Labels}}", "[x y] map[a.b:1 c:2]"),
        ("{{len .Digests}}", "2"),
        ("{{.State | json}}", '{"Running":true,"ExitCode":0}'),
        ('{{.Label "q"}}', "label q"),
        ("{{.Id}}\\t{{.Id}}", "abc\tabc"),
        ("plain", "plain"),
    ],
)
def test_a_template_is_filled_as_go_does(template: str, text: str) -> None:
    assert render(template, DATA) == text


def test_json_leaves_methods_out() -> None:
    assert render("json", {"a": 1, "Label": lambda name: name}) == '{"a":1}'


@pytest.mark.parametrize(
    "template", ["{{.Missing}}", "{{.State.Missing}}", "{{nothing .Id}}", "{{index .Digests 9}}", "{{.Id 1}}"]
)
def test_what_cannot_be_filled_is_an_error(template: str) -> None:
    with pytest.raises(EngineError, match="template parsing error"):
        render(template, DATA)
