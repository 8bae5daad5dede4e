"""The words before the door."""

from __future__ import annotations

import pytest

from checks.gathered import ssh_greeting


@pytest.mark.control("banner.shown")
def test_a_warning_comes_before_login(host, finding, declared):
    """What a client is shown before it proves anything; the client's own words are left out."""
    finding.expect("a text before login that speaks of authorised use and of recording")
    said = ssh_greeting(host, finding, declared).splitlines()
    own = ("debug1:", "debug2:", "debug3:", "OpenSSH_", "Warning:", "Authenticat")
    shown = " ".join(line for line in said if line and not line.startswith(own) and "Permission denied" not in line)
    finding.observe(shown or "nothing is shown")
    words = shown.lower()
    assert "authori" in words, "no word on authorised use is shown before login"
    assert any(word in words for word in ("record", "monitor", "logged")), "nothing is said about being recorded"
