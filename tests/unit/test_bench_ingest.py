"""The figures of the ingestion benchmark: what is counted, and that nothing measured is no figure."""

from __future__ import annotations

import pytest

from bench.ingest import Figures, judge, share, table


def told(*milliseconds: int, seconds: float = 2.0, refused: int = 0) -> dict:
    statuses = {"200": len(milliseconds), **({"429": refused} if refused else {})}
    return {"seconds": seconds, "statuses": statuses, "taken": sorted(each / 1000 for each in milliseconds)}


def test_figures_are_the_median_of_the_runs() -> None:
    runs = [told(*[5] * 99, 90, seconds=1.0), told(*[4] * 99, 80, seconds=2.0), told(*[9] * 99, 100, seconds=4.0)]
    assert judge(runs, batch=50) == Figures(events_a_second=2500.0, p50=5.0, p99=90.0, refused=0)


def test_what_is_refused_is_counted_and_is_no_event() -> None:
    found = judge([told(5, 5, refused=3)], batch=1)
    assert (found.events_a_second, found.refused) == (1.0, 3)


@pytest.mark.parametrize(("percent", "milliseconds"), [(50, 6.0), (99, 10.0), (0, 1.0), (100, 10.0)])
def test_a_share_is_read_off_the_sorted_times(percent: int, milliseconds: float) -> None:
    assert share([each / 1000 for each in range(1, 11)], percent) == pytest.approx(milliseconds)


def test_a_run_in_which_nothing_was_taken_ends_it() -> None:
    with pytest.raises(SystemExit, match="nothing was measured"):
        judge([told(5), told(refused=600)], batch=1)


def test_the_table_has_a_line_for_each_way() -> None:
    ways = {"through the edge": Figures(700.0, 4.8, 13.6, 0), "straight to capture": Figures(980.0, 3.0, 13.0, 0)}
    lines = table({"one event a request": ways}).splitlines()
    assert len(lines) == 3
    assert len({len(line) for line in lines}) == 1
    assert lines[1].split()[-4:] == ["700.0", "4.8", "13.6", "0"]
