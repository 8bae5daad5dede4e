"""Whether the edge's certificate is renewed without anybody doing it."""

from __future__ import annotations

import pytest

from checks import timers
from hedgerow.checking import NotExercised

TIMER = timers.QUESTION.format("hedgerow-acme")
LAST = "systemctl show -p Result -p ExecMainExitTimestamp hedgerow-acme.service"


@pytest.mark.control("edge.renewal")
def test_somebody_asks_again_in_time(host, finding, declared):
    """Whether what the edge shows holds, and for how long still, is edge.certificate's question."""
    if declared.tls != "acme":
        raise NotExercised("no authority is asked for the certificate (tls.certificate: acme)")
    finding.expect("a timer waits, and when the authority was last asked all went well")
    waits = timers.comes_again(finding.ask(host, TIMER).stdout)
    last = dict(line.split("=", 1) for line in finding.ask(host, LAST).stdout.splitlines())
    asked, result = last.get("ExecMainExitTimestamp", ""), last.get("Result", "unknown")
    finding.observe(f"the timer {'waits' if waits else 'does not wait'}; last asked {asked or 'never'}: {result}")
    assert waits, "no timer waits: nobody renews it"
    assert result == "success", f"asking the authority ended with {result}"
