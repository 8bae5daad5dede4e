"""What a host shows of its disks, services and numbers, in one question that only reads.

One program, run in two ways: by the timer of the role `health`, which places it on the host, and by `status`, which
hands it over by standard input. It judges nothing: hedgerow/unwell.py and hedgerow/measured.py do.
"""

import calendar
import glob
import json
import os
import subprocess
import sys
import time

STATE = "/var/lib/hedgerow/health/state.json"
FULL = "/run/hedgerow-pressure/full"
OURS = ("hedgerow-health.service", "hedgerow-alerts.service")
SHOWN = "Id,ActiveState,SubState,Result,NRestarts"


def out(*words, seconds=15):
    """Return what a command says; "" where there is none, or it takes too long."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=seconds, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def free(paths):
    found = {}
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112 - the least that is loaded is the fastest
            disk = os.statvfs(path)
            found[path] = disk.f_bavail * disk.f_frsize
    return found


def units(asked):
    health = {}
    for line in out("podman", "ps", "--all", "--format", "{{.Names}}\t{{.Status}}").splitlines():
        name, _, status = line.partition("\t")
        health[name + ".service"] = "unhealthy" if "(unhealthy)" in status else ""
    # systemd has forgotten a unit made from a pattern that was stopped: the clusters say which there are to be.
    clusters = [f"postgresql@{path.split('/')[3]}-main.service" for path in glob.glob("/etc/postgresql/*/main")]  # noqa: PTH207
    names = asked["units"] + (clusters if asked["postgres"] else []) + asked["services"] + asked["jobs"]
    listed = out("systemctl", "list-units", "--all", "--state=failed", "--plain", "--no-legend").splitlines()
    strangers = [line.split()[0] for line in listed if line.split()]
    names += [name for name in strangers if name not in names and name not in OURS]
    found = []
    for block in out("systemctl", "show", "-p", SHOWN, *names).strip().split("\n\n") if names else []:
        row = dict(line.split("=", 1) for line in block.splitlines())
        name = row.get("Id", "?")
        if name in asked["jobs"] and row.get("ActiveState") != "failed":
            continue  # it runs now and then, and ends: only a failure is news
        calm = row.get("ActiveState") == "active" and not health.get(name)
        words = "journalctl", "-q", "-o", "cat", "-n", "40", "--no-pager", "_SYSTEMD_UNIT=" + name
        said = "" if calm else out(*words)
        active, sub, result = (row.get(key, "") for key in ("ActiveState", "SubState", "Result"))
        found.append([name, active, sub, result, int(row.get("NRestarts") or 0), health.get(name, ""), said[-4000:]])
    return found


def memory():
    """Return (available, total) bytes (proc_meminfo(5))."""
    try:
        with open("/proc/meminfo") as stream:  # noqa: PTH123
            rows = dict(line.split(":", 1) for line in stream)
        return [int(rows[key].split()[0]) * 1024 for key in ("MemAvailable", "MemTotal")]
    except (OSError, KeyError, ValueError):
        return None


def certificates(patterns, now):
    """Return the seconds that the first certificate of each file has left."""
    found = {}
    for path in sorted({path for pattern in patterns for path in glob.glob(pattern)}):  # noqa: PTH207
        said = out("openssl", "x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in", path).strip()
        try:
            ends = calendar.timegm(time.strptime(said, "notAfter=%Y-%m-%d %H:%M:%SZ"))
        except ValueError:
            continue  # a file that holds no certificate, such as a list that is empty
        found[path] = ends - now
    return found


def backup(now):
    """Return what the backups' own program says of the newest, and its age in seconds."""
    try:
        said = json.loads(out("/usr/local/lib/hedgerow/backup", "look", "near", seconds=120))
    except ValueError:
        return {"refused": "no answer"}, None
    try:
        age = now - calendar.timegm(time.strptime(said.get("id", ""), "%Y%m%dT%H%M%SZ"))
    except ValueError:
        age = None
    return said, age


def lag(asked):
    """Return how far those who store events are behind; None where no event log runs here."""
    if not asked:
        return None
    try:
        return json.loads(out("/usr/local/lib/hedgerow/health/lagging.py", json.dumps(asked), seconds=60))
    except ValueError:
        return {"refused": "no answer"}


def opened(sealed):
    """Return the second at which each of these accounts was last used, of those that were since their own second."""
    found = {}
    for name, since in sealed.items():
        # logind's message about a new session (sd-messages(3)), by fields that the journal has an index of.
        asked = "MESSAGE_ID=8d45620c1a4348dbb17410da57c60c66", "USER_ID=" + name
        said = out("journalctl", "-q", "-n", "1", "-o", "json", "--no-pager", "--since", "@" + str(since), *asked)
        if said.strip():
            found[name] = int(json.loads(said)["__REALTIME_TIMESTAMP"]) // 1_000_000
    return found


def clock():
    """Return the seconds that chrony says the clock is off (chronyc(1), tracking); None where it does not say."""
    fields = out("chronyc", "-c", "tracking").strip().split(",")
    try:
        return float(fields[4]) if fields[13] != "Not synchronised" else None
    except (IndexError, ValueError):
        return None


def state():
    try:
        with open(STATE) as stream:  # noqa: PTH123
            return json.load(stream)
    except (OSError, ValueError):
        return {}


def look(asked):
    """Answer the whole question."""
    now = time.time()
    made, age = backup(now) if asked["backup"] else (None, None)
    left = state()
    return {
        "now": now,
        "free": free(asked["paths"]),
        "refusing": os.path.exists(FULL),  # noqa: PTH110
        "units": units(asked),
        "memory": memory(),
        "certificates": certificates(asked["certificates"], now),
        "backup": made,
        "backup_age": age,
        "opened": opened(asked.get("sealed", {})),
        "clock": clock(),
        "lag": lag(asked.get("event_log")),
        "watch": {key: left[key] for key in ("at", "samples", "channels") if key in left},
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(look(json.loads(sys.argv[1]))) + "\n")
