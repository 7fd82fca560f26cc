"""The check that a report page loads nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from report.offline import ExternalLoad, external_loads, make_offline

ANALYTICS = """
<script async src="https://www.googletagmanager.com/gtag/js?id=G-1"></script>
<script>
  gtag('config', 'G-1', {"report": "awesome"});
</script>
"""
REPORT = '<html><head>{}<style>a{{color:red}}</style></head><body><script>"//"</script></body>'


def test_the_analytics_are_taken_out(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text(REPORT.format(ANALYTICS))
    make_offline(page)
    assert "gtag" not in page.read_text()
    assert '<script>"//"</script>' in page.read_text()


def test_analytics_written_in_another_way_are_refused(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    html = REPORT.format("<script>load('www.googletagmanager.com/gtag')</script>")
    page.write_text(html)
    with pytest.raises(ExternalLoad, match="googletagmanager"):
        make_offline(page)
    assert page.read_text() == html


@pytest.mark.parametrize(
    "load",
    [
        '<script src="https://127.0.0.1/a.js"></script>',
        '<script src="//127.0.0.1/a.js"></script>',
        '<link rel="stylesheet" href="http://127.0.0.1/a.css">',
        '<img src="HTTPS://127.0.0.1/a.png">',
        '<img srcset="https://127.0.0.1/a.png 2x">',
        '<iframe src="https://127.0.0.1/"></iframe>',
        "<style>@import 'https://127.0.0.1/a.css';</style>",
        "<style>a{background:url(https://127.0.0.1/a.png)}</style>",
        "<p style=\"background:url('//127.0.0.1/a.png')\">",
    ],
)
def test_every_way_to_load_is_found(load: str) -> None:
    assert len(external_loads(REPORT.format(load))) == 1


@pytest.mark.parametrize(
    "harmless",
    [
        '<a href="https://127.0.0.1/">a person may follow this</a>',
        '<img src="data:image/png;base64,AAAA//8=">',
        '<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns=\'http://www.w3.org/2000/svg\'%3E">',
        '<script src="app.js"></script>',
        '<script>const a = "url(https://127.0.0.1/)"</script>',
    ],
)
def test_what_loads_nothing_is_not_reported(harmless: str) -> None:
    assert external_loads(REPORT.format(harmless)) == []
