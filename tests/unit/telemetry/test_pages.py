import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest

from tests.unit.telemetry.material import (
    ROOT_ID,
    TRACE_ID,
    WINDOW,
    StandIn,
    contract,
    export,
    failed,
    recorded_trace,
    span,
    stand_in,
)


class _Page(HTMLParser):
    """What a test asks of a page: its elements with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def marked(self, test_id: str) -> list[dict[str, str | None]]:
        return [attributes for _, attributes in self.elements if attributes.get("data-testid") == test_id]


@pytest.fixture
def server() -> StandIn:
    server = stand_in()
    server.send(recorded_trace())
    server.send(export(span(1, "GET /<b>", ms=2)))
    return server


def _title(html: str) -> str:
    match = re.search(r"<title>(.*?)</title>", html)
    assert match
    return match[1]


@pytest.mark.parametrize("target", ["/search", f"/search?service=api&{WINDOW}", f"/trace/{TRACE_ID}", "/trace/zz"])
def test_every_page_says_it_is_a_stand_in_and_loads_nothing(server: StandIn, target: str) -> None:
    html = server.page(target)
    page = _Page(html)
    assert page.marked("stand-in")
    assert "Stand-in for Jaeger: rehearsal only" in page.text
    assert not re.search(r"https?://|@import|url\(", html)
    assert not [tag for tag, attributes in page.elements if "src" in attributes]
    assert server.get(target).headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("text", ["f" * 32, "zz", "00f067aa0ba902b8"])
def test_the_page_of_an_unknown_trace_is_200_with_an_error(server: StandIn, text: str) -> None:
    assert server.get(f"/trace/{text}").status == 200
    html = server.page(f"/trace/{text}")
    assert _title(html) == "Jaeger UI"
    assert len(_Page(html).marked("ErrorMessage")) == 1


def test_a_traces_page_shows_its_spans_as_a_waterfall(server: StandIn) -> None:
    html = server.page(f"/trace/{TRACE_ID}")
    page = _Page(html)
    assert _title(html).startswith("api: GET /orders 4bf92f3")
    assert [row["id"] for row in page.marked("span")] == [ROOT_ID, "b7ad6b7169203331"]
    assert not page.marked("ErrorMessage")
    for shown in ("843.5ms", "790ms", "prisma:client:db_query", "db.query.text", "SELECT 1", "exception.message"):
        assert shown in page.text
    bars = re.findall(r"left:([\d.]+)%;width:([\d.]+)%", html)
    assert bars == [("0.000", "100.000"), ("0.237", "93.657")]


def test_the_span_of_the_link_is_marked(server: StandIn) -> None:
    target = contract("links.json")["jaeger_trace_span"]
    marked = [row["id"] for row in _Page(server.page(target)).marked("span") if "open" in row]
    assert marked == [ROOT_ID]


def test_the_recorded_search_link_shows_its_trace(server: StandIn) -> None:
    page = _Page(server.page(contract("links.json")["jaeger_search"]))
    (result,) = page.marked("SearchResult")
    assert result["href"] == f"/trace/{TRACE_ID}"
    values = {attributes.get("name"): attributes.get("value") for tag, attributes in page.elements if tag == "input"}
    assert (values["minDuration"], values["limit"], values["tags"]) == ("500ms", "20", "error=true")
    chosen = [attributes for tag, attributes in page.elements if tag == "option" and "selected" in attributes]
    assert chosen[-1]["value"] == "custom"


def test_tags_may_be_typed_as_words(server: StandIn) -> None:
    for tags, found in (("error=true", 1), ("error=true+http.response.status_code=200", 0)):
        page = _Page(server.page(f"/search?service=api&tags={tags}&{WINDOW}"))
        assert len(page.marked("SearchResult")) == found
        assert len(page.marked("NoResults")) == 1 - found


@pytest.mark.parametrize("query", ["minDuration=5", "tags=error", "tags=%22", "tags=%7Bbad", "limit=0", "start=x"])
def test_a_search_that_cannot_be_read_says_why(server: StandIn, query: str) -> None:
    page = _Page(server.page(f"/search?service=api&{query}"))
    assert len(page.marked("ErrorMessage")) == 1


def test_results_are_newest_first_and_names_are_escaped(server: StandIn) -> None:
    html = server.page(f"/search?service=api&{WINDOW}")
    links = [result["href"] for result in _Page(html).marked("SearchResult")]
    assert links == [f"/trace/{span(1)['traceId']}", f"/trace/{TRACE_ID}"]
    assert "GET /<b>" not in html
    assert "GET /&lt;b&gt;" in html


def test_a_form_that_chose_a_lookback_is_answered(server: StandIn) -> None:
    page = _Page(server.page("/search?service=api&operation=&tags=&lookback=15m&minDuration=&maxDuration=&limit=20"))
    assert len(page.marked("SearchResult")) + len(page.marked("NoResults")) >= 1
    assert not page.marked("ErrorMessage")


def test_the_root_leads_to_the_search() -> None:
    response = stand_in().get("/")
    assert (response.status, response.headers["location"]) == (302, "/search")


def test_spans_are_shown_once_even_when_their_parents_form_a_ring() -> None:
    server = stand_in()
    ids = ["a" * 16, "b" * 16, "c" * 16]
    spans = [
        span(1, "one", spanId=ids[0], parentSpanId=ids[1]),
        span(1, "two", spanId=ids[1], parentSpanId=ids[0]),
        span(1, "orphan", spanId=ids[2], parentSpanId="d" * 16, **failed()),
    ]
    server.send(export(*spans))
    page = _Page(server.page(f"/trace/{spans[0]['traceId']}"))
    assert sorted(str(row["id"]) for row in page.marked("span")) == ids


def test_links_of_results_and_form_stay_on_the_server(server: StandIn) -> None:
    page = _Page(server.page(f"/search?service=api&{WINDOW}"))
    targets = [attributes.get("href") or attributes.get("action") for _, attributes in page.elements]
    for target in filter(None, targets):
        assert urlsplit(target).netloc == ""
