"""How systemd confines a service of the distribution's, read off its processes and not off its unit."""

from __future__ import annotations

import testinfra.host

from hedgerow.checking import CouldNotAsk, Finder

# The first process and its children: name, user ids, bounding and effective capabilities, whether rights can be gained,
# whether system calls are filtered, how the root file system is mounted, and whether devices are the host's.
QUESTION = """
main=$(systemctl show -p MainPID --value "{unit}"); host=$(readlink /proc/1/ns/mnt)
for pid in $main $(pgrep -P "$main"); do
  awk -v pid="$pid" '/^(Name|Uid|CapBnd|CapEff|NoNewPrivs|Seccomp):/ {{sub(":", "=", $1); printf "%s%s ", $1, $2}}
    END {{print "pid=" pid}}' "/proc/$pid/status" | tr '\\n' ' '
  awk '$5 == "/" {{root = $6}} END {{printf "root=%s ", root}}' "/proc/$pid/mountinfo"
  if test "$(readlink "/proc/$pid/ns/mnt")" = "$host"; then echo space=host; else echo space=own; fi
done
"""


def question(unit: str) -> str:
    """Return the question how the processes of a unit are confined."""
    return QUESTION.format(unit=unit)


def assert_confined(finding: Finder, host: testinfra.host.Host, unit: str, most: int, first_as_root: bool) -> None:
    """Assert that each process is held in: no way to more rights, a filter, a read-only system, few capabilities.

    `most` is the bounding set that a unit may keep, as the kernel's mask (capabilities(7)). Where the first process
    stays root to bind and to read keys, its children still have to be somebody else without any capability in effect.
    """
    finding.expect("no new privileges, filtered system calls, a read-only system of its own, and few capabilities")
    rows = [
        dict(word.partition("=")[::2] for word in line.split())
        for line in finding.ask(host, question(unit)).stdout.splitlines()
    ]
    if not rows or not whole(rows[0]):
        raise CouldNotAsk("it does not run")
    rows = [row for row in rows if whole(row)]
    loose = [
        f"{row['Name']} {fault}"
        for number, row in enumerate(rows)
        for fault in faults(row, most, number > 0 or not first_as_root)
    ]
    finding.observe(f"{len(rows)} processes; {'; '.join(loose) or 'each confined'}")
    assert not loose, "; ".join(sorted(set(loose)))


def whole(row: dict[str, str]) -> bool:
    """Tell whether all was seen of a process; of one that ended meanwhile, as a child may at any time, it was not."""
    return row.keys() >= {"NoNewPrivs", "CapEff", "pid", "root", "space"} and bool(row["root"])


def faults(row: dict[str, str], most: int, powerless: bool) -> list[str]:
    """Return in what a process is not held in; one that is to be `powerless` is not root and has no capability."""
    beyond = int(row["CapBnd"], 16) & ~most
    found = {
        "may gain privileges": row["NoNewPrivs"] != "1",
        "makes any system call": row["Seccomp"] != "2",
        "can write to the whole file system": "ro" not in row["root"].split(","),
        "sees the host's own mounts": row["space"] == "host",
        f"keeps the capabilities {beyond:x}": bool(beyond),
        "runs as root": powerless and row["Uid"] == "0",
        f"has the capabilities {row['CapEff']}": powerless and int(row["CapEff"], 16) > 0,
    }
    return [fault for fault, so in found.items() if so]
