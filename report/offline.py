"""A report page that asks nobody for anything."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

# Allure 3.18 writes it into every page and has no setting that leaves it out.
ANALYTICS = re.compile(
    r'<script async src="https://www\.googletagmanager\.com/[^"]*"></script>'
    r"\s*<script>.*?</script>",
    re.DOTALL,
)
ANALYTICS_HOSTS = ("googletagmanager", "google-analytics")
LOADING_ATTRIBUTES = {"src", "srcset", "data", "poster"}
CSS_LOAD = re.compile(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^\"')\s]+", re.IGNORECASE)
ELSEWHERE = re.compile(r"\s*(?:https?:)?//", re.IGNORECASE)


class ExternalLoad(Exception):
    """The page would ask another machine for something; the message says for what."""


def make_offline(page: Path) -> None:
    """Take the analytics out of a report page and make sure that nothing else is loaded.

    Raises:
        ExternalLoad: analytics are left, or something else would be fetched. The page is not
            changed then.
    """
    html = ANALYTICS.sub("", page.read_text(encoding="utf-8"))
    check_offline(page, html)
    page.write_text(html, encoding="utf-8")


def check_offline(page: Path, html: str) -> None:
    """Make sure that a page with this HTML loads nothing from elsewhere.

    Raises:
        ExternalLoad: it would.
    """
    found = external_loads(html)
    if found:
        raise ExternalLoad(f"{page} would load from elsewhere: {', '.join(found)}")


def external_loads(html: str) -> list[str]:
    """The addresses that a browser fetches when it opens the page, by its markup and CSS.

    Links that a person may follow are not loads. Code can build an address that no reading of it
    finds: tests/contract/test_report_page.py watches a real browser open the page.
    """
    finder = _LoadFinder()
    finder.feed(html)
    finder.close()
    return finder.found + [host for host in ANALYTICS_HOSTS if host in html]


class _LoadFinder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        for name, value in attrs:
            loads = name in LOADING_ATTRIBUTES or (tag == "link" and name == "href")
            if loads and ELSEWHERE.match(value or ""):
                self.found.append(f"<{tag} {name}={value}>")
            if name == "style":
                self.found.extend(CSS_LOAD.findall(value or ""))

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.found.extend(CSS_LOAD.findall(data))

    def handle_endtag(self, tag: str) -> None:
        if tag == "style":
            self._in_style = False
