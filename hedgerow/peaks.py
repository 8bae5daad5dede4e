"""How much disk and memory hosts need while something is done on them: looked at every few seconds, over ssh.

The program comes in by standard input and leaves no file behind; it ends when nobody reads any more.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hedgerow import ssh
from hedgerow.hosts import Host

PLACES = {"postgresql": "/var/lib/postgresql", "containers": "/var/lib/containers"}
"""Folders that are measured: PostgreSQL's data and journal; images with all volumes of containers, ClickHouse's too."""
EVERY = 3.0
"""Seconds between two looks. What comes and goes in between is not seen."""
Sample = Mapping[str, int]
Peaks = Mapping[str, Mapping[str, int]]

# Memory as each process's proportional share (proc_pid_smaps_rollup(5), Pss): nothing is counted twice, and in a lab
# whose hosts share a kernel it is that of the host alone. So with disk: df would say what the controller has left.
PROGRAM = r"""
import json, os, subprocess, time
os.nice(10)

def memory():
    total = 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/smaps_rollup" % name) as stream:
                total += sum(int(line.split()[1]) for line in stream if line.startswith("Pss:")) * 1024
        except OSError:
            pass
    return total

def size(folder):
    done = subprocess.run(["du", "-sx", "-B1", folder], capture_output=True, text=True)
    return int(done.stdout.split()[0]) if done.stdout.split() else 0

while True:
    sample = {"memory": memory()}
    sample.update((name, size(folder)) for name, folder in PLACES.items())
    print(json.dumps(sample), flush=True)
    time.sleep(EVERY)
"""


RUN = ("python3", "-I", "-c", "exec(eval(input()))")


def told(places: Mapping[str, str], every: float) -> str:
    """Return the line of standard input that RUN takes the program from."""
    return repr(f"EVERY, PLACES = {every}, {dict(places)}\n{PROGRAM}") + "\n"


@contextmanager
def watched(hosts: Sequence[Host], known_hosts: Path) -> Iterator[dict[str, Peaks]]:
    """Measure hosts while the block lasts; what was found is in the dictionary after it, by host.

    A host that could not be measured is not in it: that is no reason to stop what is being done.
    """
    found: dict[str, Peaks] = {}
    samples: dict[str, list[Sample]] = {host.name: [] for host in hosts}
    try:
        with ExitStack() as running:
            for host in hosts:
                running.enter_context(_measuring(host, known_hosts, samples[host.name]))
            yield found
    finally:
        found |= {name: summed(rows) for name, rows in samples.items() if rows}


def summed(samples: Sequence[Sample]) -> Peaks:
    """Return of each measure what it was before, at its peak and after. Pure; there is at least one sample."""
    return {
        name: {"before": samples[0][name], "peak": max(row[name] for row in samples), "after": samples[-1][name]}
        for name in samples[0]
    }


@contextmanager
def _measuring(host: Host, known_hosts: Path, samples: list[Sample]) -> Iterator[None]:
    line = ssh.command(host, known_hosts, ["sudo", "-n", shlex.join(RUN)])
    with subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as running:
        assert running.stdin is not None
        reader = threading.Thread(target=_read, args=(running, samples), daemon=True)
        reader.start()
        try:
            running.stdin.write(told(PLACES, EVERY))
            running.stdin.flush()
        except BrokenPipeError:
            pass  # the connection did not come about, and there will be no sample
        try:
            yield
        finally:
            running.terminate()
            reader.join(timeout=10)


def _read(running: subprocess.Popen[str], samples: list[Sample]) -> None:
    assert running.stdout is not None
    for line in running.stdout:
        try:
            samples.append(json.loads(line))
        except ValueError:
            return  # the last line, cut off
