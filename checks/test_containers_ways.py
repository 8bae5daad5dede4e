"""Ways from a container to others, to the stores and outside, tried from where the container is."""

from __future__ import annotations

import json

import pytest

from checks import inside
from hedgerow.checking import CouldNotAsk, NotExercised

# Silence takes its time, and other questions are asked meanwhile.
SLOW = True
ASK_AHEAD = (inside.trial, inside.INSPECT)


@pytest.mark.control("containers.no-egress")
def test_data_cannot_be_carried_away(finding, host, sheet, running):
    """The declared way, to the stores, must be open from the same place: else silence would prove nothing."""
    finding.expect(
        "from every container the stores answer; nothing else does, and nothing is sent elsewhere,"
        f" but to what is declared, and from {', '.join(sheet.declared.outbound_services) or 'no service'} alone"
    )
    answer = json.loads(finding.ask(host, inside.trial(sheet)).stdout)
    stores = tuple(f"{address}:{port}" for address, port in inside.stores(sheet.declared))
    open_ways = inside.to_the_relay(sheet.declared)
    seen = {way: how for way, how in answer["seen"].items() if way not in open_ways}
    reached = [f"{way} {how}" for way, how in seen.items() if how != "silent" and not way.endswith(stores)]
    known = [f"{way} {how}" for way, how in seen.items() if way.endswith(stores)]
    tried = f"{len(seen) - len(known)} ways tried in {len(running)} containers"
    declared = [f"{way} {how}, as declared" for way, how in answer["outside"].items()]
    finding.observe("; ".join((*reached, *declared)) if reached else "; ".join((tried, *declared)))
    assert not reached, f"reached from a container: {', '.join(reached)}"
    # "refused" is an answer: the way there and back is open, and whoever should listen does not.
    if not all(words.endswith(("open", "refused")) for words in known):
        raise CouldNotAsk(f"not even the stores can be reached: {', '.join(known)}")


@pytest.mark.control("containers.kept-apart")
def test_services_are_strangers_to_one_another(finding, host, sheet, running):
    """From each container, what every other one listens on and the stores that only others use."""
    finding.expect("no container reaches another, nor a store that it is not declared to use")
    between = json.loads(finding.ask(host, inside.trial(sheet)).stdout)["between"]
    reached = [f"{way} {how}" for way, how in between.items() if how != "silent"]
    finding.observe("; ".join(reached) or f"{len(between)} ways tried between {len(running)} containers and the stores")
    assert not reached, f"reached from a container: {', '.join(reached)}"
    if not between:
        raise NotExercised("one container alone, and no store but its own: there is nobody to keep it apart from")
