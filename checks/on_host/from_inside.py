# Connections tried from inside every container's own network. Arguments, as JSON: a list of [address, port] that may
# not be reached (to which this host's name servers and gateway are added), and for each container those it must reach.
# A third one says what is declared outside: `places` to try, those `covered` among the forbidden, and the `containers`
# that may go there; for all others both are forbidden.
# The stores of other containers and whatever they themselves listen on may not be reached either: those are `others`.
# Prints, for each container and place, "open", "refused", "silent", or "sent" where no answer came but the packet
# left (only then the kernel tracks its connection), and what the stores answer to a client that speaks in the clear.
import contextlib
import errno
import json
import os
import resource
import selectors
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

# Every place from every container at once is more than the thousand open files that a shell begins with.
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
SECONDS, LONGEST = 0.7, 10.0  # silence is waited for so long; who is to answer has more time, on a slow host
TRIES = 50
BEYOND = range(61000, 65536)  # ports that the kernel gives to nobody by itself: its own end at 60999
forbidden = [tuple(place) for place in json.loads(sys.argv[1])]
declared = json.loads(sys.argv[3])
outside = [tuple(place) for place in declared["places"]]
covered = {tuple(place) for place in declared["covered"]}
allowed = {name: [tuple(place) for place in places] for name, places in json.loads(sys.argv[2]).items()}
# A PostgreSQL start-up message without a request for TLS, and a question to a name server for ". NS".
STARTUP = b"user\0hedgerow_nobody\0database\0postgres\0\0"
PLAIN = {5432: struct.pack("!ii", len(STARTUP) + 8, 196608) + STARTUP, 6379: b"PING\r\n"}
DNS = bytes.fromhex("4867010000010000000000000000020001")

names = [line.split() for line in Path("/etc/resolv.conf").read_text().splitlines()]
servers = [words[1] for words in names if words[:1] == ["nameserver"] and "." in words[1]]
routes = [line.split() for line in Path("/proc/net/route").read_text().splitlines()]
gateways = [socket.inet_ntoa(struct.pack("=I", int(words[2], 16))) for words in routes if words[1] == "00000000"]
forbidden += [(server, 53) for server in servers] + [(gateway, 80) for gateway in gateways]
forbidden = list(dict.fromkeys(forbidden))

running = subprocess.run(
    ["podman", "ps", "--format", "{{.Pid}} {{.Names}}"], capture_output=True, check=True
).stdout.decode()
seen, others, leaving, said, flows, waiting = {}, {}, {}, {}, {}, selectors.DefaultSelector()
wanted = set()
CONNECTIONS = Path("/proc/1/net/nf_conntrack")  # the host's, also while this process is in a container's network


def tracked():
    """Return the connections that the kernel knows, each as (protocol, source, port, destination, port)."""
    found = set()
    for line in CONNECTIONS.read_text().splitlines() if CONNECTIONS.exists() else ():
        words = line.split()
        flow = {}
        for name, _, value in (word.partition("=") for word in words if "=" in word):
            flow.setdefault(name, value)
        found.add((words[2], *(flow.get(part) for part in ("src", "sport", "dst", "dport"))))
    return found


before = tracked()


def outcome(code):
    if code == 0:
        return "open"
    # A reset or a refused port is an answer: the way there and back is open.
    return "refused" if code in (errno.ECONNREFUSED, errno.ECONNRESET) else "silent"


def send(name, place, kind):
    key = f"{name}: {kind} {place[0]}:{place[1]}"
    # The kernel remembers a connection for minutes after its end, and a port comes round again: what was sent
    # while the way was open must not be taken for something sent now.
    for attempt in range(TRIES):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
        sender.setblocking(False)
        if attempt >= TRIES // 2:  # every port that the kernel would give was used lately
            with contextlib.suppress(OSError):
                sender.bind(("", BEYOND[(len(flows) + attempt) % len(BEYOND)]))
        code = sender.connect_ex(place)
        flow = (kind, *map(str, (*sender.getsockname(), *place)))
        if flow not in before and code != errno.EADDRNOTAVAIL:
            break
        sender.close()
    else:
        sys.exit(f"{key}: no port that has not been used lately")
    flows[flow] = key
    if kind == "udp" and code == 0:
        with contextlib.suppress(OSError):
            sender.send(DNS)
    if kind == "udp" or code == errno.EINPROGRESS:
        waiting.register(sender, selectors.EVENT_READ if kind == "udp" else selectors.EVENT_WRITE, (key, place, kind))
        seen[key] = "silent"
    else:
        seen[key] = outcome(code)


def hear(sender, key, place, kind):
    if kind == "tcp":
        seen[key] = outcome(sender.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        if seen[key] == "open" and place in stores and place[1] in PLAIN:
            said[key] = "nothing"
            sender.send(PLAIN[place[1]])
            waiting.modify(sender, selectors.EVENT_READ, (key, place, "words"))
            return
    else:
        try:
            words = sender.recv(400)
        except OSError as error:
            words = b""
            if kind == "udp":
                seen[key] = outcome(error.errno)
        if kind == "words":
            text = words.decode("ascii", "ignore").replace("\0", " ")
            said[key] = "".join(letter for letter in text if letter.isprintable()) or "nothing"
        elif words:
            seen[key] = "open"
    waiting.unregister(sender)
    sender.close()


def enter(pid):
    with Path("/proc", pid, "ns/net").open() as network:
        os.setns(network.fileno(), os.CLONE_NEWNET)


def doors(pid):
    """Return where a container listens for others: its address, and the ports of /proc/PID/net/tcp in state LISTEN."""
    enter(pid)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.connect(("192.0.2.1", 9))  # sends nothing; the kernel says from which address it would
        own = asker.getsockname()[0]
    rows = [
        line.split() for kind in ("tcp", "tcp6") for line in Path("/proc", pid, "net", kind).read_text().splitlines()
    ]
    ports = [row[1].rpartition(":") for row in rows if row[3] == "0A"]
    return {(own, int(port, 16)) for where, _, port in ports if not where.endswith(("0100007F", "01000000"))}


pids = {name: pid for pid, name in (line.split() for line in running.splitlines())}
listening = {name: doors(pid) for name, pid in pids.items()}
stores = {place for places in allowed.values() for place in places}
for name, pid in pids.items():
    enter(pid)
    mine = allowed.get(name, [])
    wanted.update(f"{name}: tcp {place[0]}:{place[1]}" for place in mine)
    strange = (stores | {place for other in pids if other != name for place in listening[other]}) - {*mine}
    others.update((f"{name}: tcp {place[0]}:{place[1]}", place) for place in strange)
    if name in declared["containers"]:
        leaving.update((f"{name}: tcp {place[0]}:{place[1]}", place) for place in (*outside, *covered))
    for place in dict.fromkeys((*mine, *forbidden, *outside, *sorted(strange))):
        send(name, place, "tcp")
        if place[1] == 53:
            send(name, place, "udp")
began = time.monotonic()
while waiting.get_map():
    owed = any(row.data[2] == "words" or row.data[0] in wanted for row in waiting.get_map().values())
    left = began + (LONGEST if owed else SECONDS) - time.monotonic()
    if left <= 0:
        break
    for ready, _ in waiting.select(left):
        hear(ready.fileobj, *ready.data)
for flow in tracked() & flows.keys():
    if seen[flows[flow]] == "silent":
        seen[flows[flow]] = "sent"
between = {key: seen.pop(key) for key in others}
out = {key: seen.pop(key) for key in leaving if key in seen}
print(json.dumps({"containers": len(pids), "seen": seen, "between": between, "outside": out, "said": said}))
