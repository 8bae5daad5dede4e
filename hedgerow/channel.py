"""One long-lived way to ask a host many questions: JSON lines over a single SSH session.

A new SSH command costs about 150 ms even over a shared connection, a question over this
channel about 5 ms, most of it the shell that answers. On the host a small Python program
(AGENT) runs as root, takes questions from its standard input and answers each in a thread of
its own; it leaves no file behind and ends, with all it started, when the session ends. What is
asked ahead of its time waits its turn there, until somebody waits for the answer.
"""

from __future__ import annotations

import json
import secrets
import shlex
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hedgerow import ssh
from hedgerow.hosts import Host

PROVE_SECONDS = 20.0
"""How long the first sign of life may take: connection, sudo and the start of Python on the host."""

ANSWER_SECONDS = 30.0
"""How long a question may take that says nothing else: a busy host is slow, and only what hangs is to be ended."""

GRACE_SECONDS = 5.0
"""How much later than its own time-out an answer may arrive before the channel counts as silent."""

LONGEST_ANSWER = 8_000_000

AGENT = r"""
import json, os, signal, subprocess, sys, threading, time
speaking, starting, running = threading.Lock(), threading.Lock(), {}
environment = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": os.environ.get("TZ", ""),
}
if not environment["TZ"]:
    del environment["TZ"]

def say(**words):
    with speaking:
        sys.stdout.write(json.dumps(words) + "\n")
        sys.stdout.flush()

def end(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass

def answer(number, command, seconds, longest, patience):
    began = time.monotonic()
    with starting:
        process = running[number] = subprocess.Popen(
            ["/bin/bash", "-o", "pipefail", "-c", command], cwd="/", start_new_session=True,
            env=dict(environment, HEDGEROW_PATIENCE=str(patience)),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        end(process)
        say(id=number, trouble="no answer within %g s; the question was ended" % seconds)
        return
    finally:
        running.pop(number, None)
    if len(out) + len(err) > longest:
        say(id=number, trouble="the answer is longer than %d bytes" % longest)
        return
    say(id=number, rc=process.returncode, seconds=time.monotonic() - began,
        out=out.decode("utf-8", "replace"), err=err.decode("utf-8", "replace"))

def take_turns():
    while True:
        with turns:
            while not queued:
                turns.wait()
            question = queued.pop(next(iter(queued)))
        attempt(question)

def attempt(question):
    try:
        answer(*(question[each] for each in ("id", "command", "seconds", "longest", "patience")))
    except Exception as error:
        say(id=question["id"], trouble="%s: %s" % (type(error).__name__, error))

say(ready=os.geteuid())
queued, turns = {}, threading.Condition()
for _ in range(2 * (os.cpu_count() or 1)):  # some of them wait for silence
    threading.Thread(target=take_turns, daemon=True).start()
for line in sys.stdin:
    question = json.loads(line)
    if question.get("ahead"):
        with turns:
            queued[question["id"]] = question
            turns.notify()
        continue
    if "now" in question:
        with turns:
            question = queued.pop(question["now"], None)
    if question:
        threading.Thread(target=attempt, args=(question,), daemon=True).start()
starting.acquire()  # what is being started is known by now, and nothing starts any more
for process in list(running.values()):
    end(process)
os._exit(0)
"""

# The agent comes in as the first line of standard input, so that sudo's log on the host shows
# one short command with a mark, and not the agent's whole text.
BOOTSTRAP = "exec(eval(input()))"


class CouldNotAsk(Exception):  # noqa: N818 - it names an outcome, as a finding does
    """A question got no answer: no channel, a missing tool, a time-out. Never a pass, never a fail."""


@dataclass(frozen=True)
class Answer:
    """What a command on the host said. `rc` is its exit code, `seconds` how long it ran there."""

    command: str
    rc: int
    stdout: str
    stderr: str
    seconds: float


class Channel:
    """A running agent on one host. Questions may be asked from several threads at once."""

    def __init__(
        self,
        command: Sequence[str],
        environment: dict[str, str] | None = None,
        mark: str = "",
        *,
        patience: float = 1.0,
    ) -> None:
        """Start `command`, which must end up running BOOTSTRAP. Nothing is waited for here: see `prove`.

        Every wait takes up to `patience` times as long as it says.
        """
        self.mark = mark
        self._patience = patience
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process that writes to it
        self._lock = threading.Lock()
        self._waiting: dict[int, Future[Answer]] = {}
        self._commands: dict[int, str] = {}
        self._numbers: dict[Future[Answer], int] = {}
        self._count = 0
        self._over = ""
        self._ready: Future[int] = Future()
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            text=True,
            start_new_session=True,
        )
        self._write(repr(AGENT))
        threading.Thread(target=self._listen, daemon=True).start()

    @classmethod
    def to(cls, host: Host, known_hosts: Path | None, environment: dict[str, str] | None = None) -> Channel:
        """Open a channel to a host over SSH, root through sudo without a password."""
        mark = f"hedgerow-verify-{secrets.token_hex(4)}"
        remote = shlex.join(["sudo", "-n", "/usr/bin/python3", "-IS", "-c", BOOTSTRAP, mark])
        return cls(ssh.command(host, known_hosts, [remote]), environment, mark, patience=host.patience)

    def prove(self, seconds: float = PROVE_SECONDS) -> None:
        """Hear one true answer from root on the host. Raises CouldNotAsk, saying what stood in the way."""
        try:
            owner = self._ready.result(timeout=seconds * self._patience)
        except Late:
            self.close()
            longest = seconds * self._patience
            raise CouldNotAsk(f"the host did not answer within {longest:g} s{self._complaint()}") from None
        if owner != 0:
            raise CouldNotAsk(f"on the host we are user {owner}, not root: most questions need root")
        word = secrets.token_hex(8)
        if self.ask(f"echo {word}", seconds).stdout.strip() != word:
            raise CouldNotAsk("the host does not repeat a word it was told: its answers cannot be believed")

    def ask(self, command: str, seconds: float = ANSWER_SECONDS) -> Answer:
        """Run a command on the host and wait for its answer. Raises CouldNotAsk."""
        return self.wait(self.ask_later(command, seconds), command, seconds)

    def ask_later(self, command: str, seconds: float = ANSWER_SECONDS, *, ahead: bool = False) -> Future[Answer]:
        """Send a question and return at once; the answer, or CouldNotAsk, arrives in the future.

        One that is asked `ahead` gives way to those that somebody waits for, until it is such a one itself (`hurry`).
        """
        future: Future[Answer] = Future()
        with self._lock:
            if self._over:
                future.set_exception(CouldNotAsk(self._over))
                return future
            self._count += 1
            number = self._count
            self._waiting[number] = future
            self._commands[number] = command
            self._numbers[future] = number
        limits = {"seconds": seconds * self._patience, "longest": LONGEST_ANSWER, "patience": self._patience}
        self._write(json.dumps({"id": number, "command": command, "ahead": ahead, **limits}))
        return future

    def hurry(self, future: Future[Answer]) -> None:
        """Have a question of `ask_later` answered now: somebody waits for it."""
        with self._lock:
            number = self._numbers.get(future)
        if number is not None:
            self._write(json.dumps({"now": number}))

    def wait(self, future: Future[Answer], command: str, seconds: float) -> Answer:
        """Wait for the answer of `ask_later`. Raises CouldNotAsk."""
        longest = seconds * self._patience + GRACE_SECONDS
        try:
            return future.result(timeout=longest)
        except Late:
            raise CouldNotAsk(f"no answer within {longest:g} s to: {command}") from None

    def close(self) -> None:
        """End the agent and, with it, every question still running."""
        if self._process.stdin and not self._process.stdin.closed:
            try:
                self._process.stdin.close()
            except OSError:
                self._process.terminate()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _write(self, line: str) -> None:
        try:
            with self._lock:
                assert self._process.stdin is not None
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()
        except (OSError, ValueError):
            pass  # the reading side learns of the end with its reason, and tells everybody who waits

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                self._hear(json.loads(line))
            except (ValueError, KeyError):
                continue  # a login banner or a shell's greeting before the agent speaks
        code = self._process.wait()
        self._end(f"the channel to the host ended (ssh exit code {code}){self._complaint()}")

    def _hear(self, words: dict[str, Any]) -> None:
        if "ready" in words:
            self._ready.set_result(int(words["ready"]))
            return
        with self._lock:
            future = self._waiting.pop(words["id"])
            self._numbers.pop(future, None)
            command = self._commands.pop(words["id"])
        if "trouble" in words:
            future.set_exception(CouldNotAsk(f"{words['trouble']}: {command}"))
        else:
            future.set_result(Answer(command, words["rc"], words["out"], words["err"], words["seconds"]))

    def _end(self, reason: str) -> None:
        with self._lock:
            self._over = reason
            left = list(self._waiting.values())
            self._waiting.clear()
        for future in left:
            future.set_exception(CouldNotAsk(reason))
        if not self._ready.done():
            self._ready.set_exception(CouldNotAsk(reason))

    def _complaint(self) -> str:
        self._errors.seek(0)
        said = self._errors.read()[-600:].decode("utf-8", "replace").strip()
        return f": {' / '.join(said.splitlines())}" if said else ""
