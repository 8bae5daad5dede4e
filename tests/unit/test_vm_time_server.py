"""The VM lab's time server: what a client of it reads."""

from __future__ import annotations

import struct

from tests.vm.time_server import SINCE_1900, answer


def test_an_answer_belongs_to_its_question() -> None:
    question = bytes([0b11_100_011, 0, 6, 0]) + bytes(36) + b"mydecode"
    told = answer(question, 1_000.5)
    assert len(told) == 48
    assert told[0] == 0b00_100_100, "synchronised, the client's version, a server"
    assert told[24:32] == b"mydecode"
    assert struct.unpack("!II", told[40:48]) == (SINCE_1900 + 1_000, 2**31)
