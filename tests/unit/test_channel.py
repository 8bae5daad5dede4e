"""The channel, with an agent on this machine in place of one behind SSH."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hedgerow.channel import BOOTSTRAP, Channel, CouldNotAsk
from hedgerow.checking import ANY, Finder, shorten
from hedgerow.hosts import Host

HERE = [sys.executable, "-IS", "-c", BOOTSTRAP]


@pytest.fixture
def channel():
    opened = Channel(HERE)
    yield opened
    opened.close()


def test_an_answer_has_its_parts(channel):
    answer = channel.ask("echo out; echo err >&2; exit 3")
    assert (answer.rc, answer.stdout, answer.stderr) == (3, "out\n", "err\n")


def test_a_failure_inside_a_pipe_is_not_lost(channel):
    assert channel.ask("false | cat").rc == 1


def test_answers_go_to_those_who_asked(channel):
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: channel.ask(f"sleep 0.0{n % 5}; echo {n}").stdout.strip(), range(48)))
    assert answers == [str(n) for n in range(48)]


def test_a_question_that_takes_too_long_is_ended_on_the_host(channel, tmp_path):
    pid = tmp_path / "pid"
    with pytest.raises(CouldNotAsk, match=r"no answer within 0\.2 s"):
        channel.ask(f"echo $$ >{pid}; sleep 60 & sleep 60", seconds=0.2)
    assert gone(int(pid.read_text()))
    assert channel.ask("echo still here").rc == 0


def test_closing_ends_what_still_runs(channel, tmp_path):
    pid = tmp_path / "pid"
    channel.ask_later(f"echo $$ >{pid}; sleep 60", seconds=60)
    wait_for(lambda: pid.exists() and pid.read_text())
    channel.close()
    assert gone(int(pid.read_text()))


def test_a_question_learns_how_patient_it_may_be(channel):
    assert channel.ask("echo $HEDGEROW_PATIENCE").stdout == "1.0\n"
    slow = Channel(HERE, patience=30.0)
    assert slow.ask("echo $HEDGEROW_PATIENCE").stdout == "30.0\n"
    slow.close()


def test_what_is_asked_ahead_waits_until_somebody_waits_for_it(channel, tmp_path):
    hold = tmp_path / "hold"
    os.mkfifo(hold)
    busy = [channel.ask_later(f"cat {hold}", seconds=60, ahead=True) for _ in range(2 * (os.cpu_count() or 1))]
    later = channel.ask_later("echo later", ahead=True)
    assert channel.ask("echo now").stdout == "now\n"
    assert not later.done()
    channel.hurry(later)
    assert later.result(10).stdout == "later\n"
    channel.hurry(later)
    hold.write_text("done")
    last = channel.ask_later("echo last", ahead=True)
    assert last.result(10).stdout == "last\n"
    assert any(each.done() for each in busy)


def test_when_the_channel_dies_everybody_learns_why(channel):
    waiting = channel.ask_later("sleep 30", seconds=30)
    with pytest.raises(CouldNotAsk, match="the channel to the host ended"):
        channel.ask("kill -9 $PPID")
    with pytest.raises(CouldNotAsk, match="the channel to the host ended"):
        channel.wait(waiting, "sleep 30", 1)
    with pytest.raises(CouldNotAsk, match="the channel to the host ended"):
        channel.ask("true")


def test_an_endless_answer_is_no_answer(channel):
    with pytest.raises(CouldNotAsk, match="longer than"):
        channel.ask("head -c 9000000 /dev/zero")


NOT_PROVEN = [
    (["sh", "-c", "echo 'Permission denied (publickey).' >&2; exit 255"], "exit code 255.*Permission denied"),
    (["sh", "-c", "exec sleep 60"], "did not answer within 0.3 s"),
    (["sh", "-c", """read agent; echo '{"ready": 1000}'; read question"""], "user 1000, not root"),
    (
        [
            "sh",
            "-c",
            """read agent; echo '{"ready": 0}'; read q; echo '{"id":1,"rc":0,"out":"no","err":"","seconds":0}'""",
        ],
        "cannot be believed",
    ),
    (["sh", "-c", "echo Welcome to this host; exit 1"], "exit code 1"),
]


@pytest.mark.parametrize(("command", "words"), NOT_PROVEN)
def test_a_channel_that_cannot_be_proven_says_what_stood_in_the_way(command, words):
    broken = Channel(command)
    with pytest.raises(CouldNotAsk, match=words):
        broken.prove(0.3)
    broken.close()


def test_a_slow_host_is_given_its_time():
    patient = Channel(HERE, patience=20)
    assert patient.ask("sleep 1; echo late", 0.1).stdout == "late\n"
    patient.close()
    hasty = Channel(HERE)
    with pytest.raises(CouldNotAsk, match=r"no answer within 0.1 s"):
        hasty.ask("sleep 1; echo late", 0.1)
    hasty.close()


def test_a_greeting_before_the_agent_does_no_harm():
    greeted = Channel(["sh", "-c", f"echo Last login: Monday; exec {sys.executable} -IS -c '{BOOTSTRAP}'"])
    assert greeted.ask("echo fine").stdout == "fine\n"
    greeted.close()


def test_an_unreachable_host_is_said_with_ssh_s_own_words():
    channel = Channel.to(Host("gone", "127.0.0.1", "127.0.0.1", "nobody", port=1), None)
    with pytest.raises(CouldNotAsk, match="Connection refused"):
        channel.prove()


class FakeHost:
    """Has what Finder needs of testinfra's Host: a backend that answers."""

    def __init__(self, channel: Channel) -> None:
        self.backend = self
        self.channel = channel

    def question(self, command, seconds, fresh):
        return self.channel.ask(command, seconds)


def test_a_missing_tool_is_a_question_not_asked(channel):
    with pytest.raises(CouldNotAsk, match=r"no-such-tool.*127"):
        Finder().ask(FakeHost(channel), "no-such-tool --version", codes=ANY)


def test_an_unexpected_exit_code_is_a_question_not_asked(channel):
    finder = Finder()
    assert finder.ask(FakeHost(channel), "exit 2", codes=(0, 2)).rc == 2
    with pytest.raises(CouldNotAsk, match="exit code 2: because"):
        finder.ask(FakeHost(channel), "echo because; exit 2")


def test_what_was_observed_is_the_last_answer_until_put_into_words(channel):
    finder = Finder()
    finder.ask(FakeHost(channel), "echo one")
    assert finder.as_fields["observed"] == "one"
    finder.observe("two, in words")
    finder.ask(FakeHost(channel), "echo three")
    assert finder.as_fields == {"asked": "echo one; echo three", "observed": "two, in words", "expected": ""}


SECRETS = [
    ("redis://web:hunter2@cache:6379", "redis://web:[hidden]@cache:6379"),
    ("DB_PASSWORD=hunter2 next", "DB_PASSWORD=hunter2 next"),
    ("password=hunter2 next", "password=[hidden] next"),
    ("SCRAM-SHA-256$4096:abc==$def:ghi", "SCRAM-SHA-256$[hidden]"),
    ("root:$y$j9T$abc$def:1", "root:$y$[hidden]"),
    ("-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY----- rest", "[key] rest"),
    ("a  line\nand another", "a line and another"),
    ("x" * 200, "x" * 99 + "…"),
]


@pytest.mark.parametrize(("text", "shown"), SECRETS)
def test_what_is_recorded_is_short_and_holds_no_secret(text, shown):
    assert shorten(text, 100) == shown


def wait_for(truth, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """Wait until a process has ended; a zombie has."""
    wait_for(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2])
    return not Path(f"/proc/{pid}").exists() or os.path.lexists(f"/proc/{pid}")
