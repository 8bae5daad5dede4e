"""The HTML report as values: cards, chart, waivers, and a page whose every link leads somewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from bench import report
from hedgerow.drift import Change, Drift
from hedgerow.evidence import Accepted, Past, html
from hedgerow.evidence.cards import cards
from hedgerow.evidence.chart import HEIGHT, WIDTH, chart
from tests.unit.test_evidence import CATALOG, EVIDENCE, finding

ID = "ssh.no-root"


class Page(HTMLParser):
    """The ids of a page and where its links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag == "a":
            self.links.add(str(values["href"]))


def test_hosts_that_answer_alike_stand_side_by_side() -> None:
    alike = [finding("pass", ID, host=name) for name in ("a", "b")]
    rows = (*alike, finding("fail", ID, host="c", observed="permitrootlogin yes"))
    (card,) = cards(replace(EVIDENCE, findings=rows))
    assert (card.status, card.hosts) == ("fail", 3)
    assert [(answer.finding.status, answer.hosts) for answer in card.answers] == [
        ("fail", ("c",)),
        ("pass", ("a", "b")),
    ]
    assert card.counts == (("fail", 1), ("pass", 2))
    assert card.asked == "sshd -T"


def test_what_hosts_do_not_share_stands_with_each() -> None:
    rows = (finding("pass", ID, host="a", asked="one"), finding("pass", ID, host="b", asked="two"))
    (card,) = cards(replace(EVIDENCE, findings=rows))
    assert (card.asked, card.expected) == (None, "no")
    page = html.render(replace(EVIDENCE, findings=rows))
    assert "<code>one</code>" in page
    assert "<code>two</code>" in page


def test_a_page_of_many_hosts_is_small_and_shows_each_finding() -> None:
    """Under 2 MB, with no two hosts answering alike. How long it takes is for `python -m bench.report` to say."""
    run = report.evidence(20)
    page = html.render(run)
    assert len(page.encode()) < 2_000_000
    hosts = [host for found in re.findall(r'data-h="([^"]+)"', page) for host in found.split()]
    assert len(hosts) == len(run.findings) == 20 * len(CATALOG.controls)


GONE = replace(
    EVIDENCE,
    drift=Drift("2026-02-28T10:00:00Z", other=(Change("ssh.of-old", "a", "pass", ""),)),
    waivers=(Accepted("posthog.ai-off", "r", "Jane", "2027-01-01"),),
)
"""A control that is asked no more, and a waiver for one that does not concern these hosts."""


@pytest.mark.parametrize("run", [EVIDENCE, GONE, report.evidence(2)], ids=["small", "gone", "whole"])
def test_every_link_leads_somewhere_and_no_id_is_there_twice(run) -> None:
    page = Page(html.render(run))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    paragraphs = {paragraph for row in run.findings for paragraph in row.hipaa}
    assert {f"p-{paragraph}" for paragraph in paragraphs} <= set(page.ids)


def test_drift_and_since_are_told() -> None:
    moved = Drift("2026-02-28T10:00:00Z", failing=(Change(ID, "analytics-1", "pass", "fail"),))
    rows = (finding("fail", ID, since="2026-02-20T09:00:00Z"),)
    page = html.render(replace(EVIDENCE, findings=rows, drift=moved))
    assert "What changed since 2026-02-28 10:00 UTC" in page
    assert "1 newly failing" in page
    assert "2026-02-20 09:00 UTC" in page
    assert "no earlier run" in html.render(EVIDENCE)
    assert "Nothing: every control has" in html.render(replace(EVIDENCE, drift=Drift("2026-02-28T10:00:00Z")))


@pytest.mark.parametrize(
    ("until", "status", "words"),
    [
        ("2026-02-28", "fail", ["over", "nothing now"]),
        ("2026-03-02", "waived", ["1 day left", "1 finding"]),
        ("2027-03-02", "waived", ["1 finding"]),
    ],
)
def test_a_waiver_shows_its_end_and_what_it_excuses(until: str, status: str, words: list[str]) -> None:
    waiver = Accepted(ID, "the night shift", "Jane Doe", until)
    page = html.render(replace(EVIDENCE, findings=(finding(status, ID),), waivers=(waiver,)))
    table = page.partition('id="waivers"')[2].partition("</section>")[0]
    for word in ("the night shift", "Jane Doe", until, *words):
        assert word in table
    assert ("left" in table) is (until == "2026-03-02")


def test_the_chart_stacks_what_did_not_hold() -> None:
    runs = [
        Past("a", {"fail": 1, "error": 1, "waived": 2, "pass": 90}),
        Past("b", {"pass": 94}),
        Past("c", {"fail": 2}),
    ]
    drawn = chart(runs)
    assert drawn.highest == 4
    assert drawn.bars[0].parts == (("fail", 1, 72.0, 24.0), ("error", 1, 48.0, 24.0), ("waived", 2, 0.0, 48.0))
    assert drawn.bars[1].parts == ()
    assert drawn.bars[2].parts == (("fail", 2, HEIGHT / 2, HEIGHT / 2),)
    assert all(bar.x + bar.width <= WIDTH for bar in chart(runs * 20).bars)
    assert chart([Past("a", {"pass": 9})]).highest == 0


def test_the_numbers_of_the_chart_are_in_a_table_too() -> None:
    page = html.render(replace(EVIDENCE, past=(Past("2026-02-27T10:00:00Z", {"fail": 37, "pass": 5}),)))
    assert 'role="img"' in page
    assert '<td class="num">37</td>' in page
