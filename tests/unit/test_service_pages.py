"""The page of services says what the table says."""

from __future__ import annotations

from hedgerow.service_pages import PAGE, page
from hedgerow.services import load_table


def test_the_page_in_the_repository_is_the_tables() -> None:
    assert PAGE.read_text() == page(load_table()), "Run `python -m hedgerow.service_pages` and commit what it wrote."


def test_every_service_has_its_place_and_its_ways() -> None:
    text = page(load_table())
    for row in load_table().services:
        assert f"## {row.name}\n\n{row.about}" in text
    assert "kafka as `posthog_capture` (mutual TLS by its side-car)" in text
