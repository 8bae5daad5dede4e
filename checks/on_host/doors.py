# How the stores in containers of this host answer somebody who should not get in. Arguments, as JSON: for each store
# its name, the name in its certificate, the CA's file, its ports, each with what to say to it in the clear, and files
# of certificates of clients, by whom they stand for. Prints for each store, by port: what it said to a client without
# TLS, how a verified handshake ended, whether it took TLS 1.1, whether it did without a certificate of the client's and
# with each of those given; and on which ports its container listens for others.
import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import warnings
from pathlib import Path

SECONDS = 10
warnings.simplefilter("ignore")  # of TLS 1.1, which is what is tried


def said(address, port, words):
    """Return what comes back to plain words, in a few of its own.

    "" stands for nothing: no connection, one closed without a word, or a TLS alert (RFC 8446, 6: record type 21),
    which is how a server says that it wants TLS.
    """
    try:
        plain = socket.create_connection((address, port), SECONDS)
    except ConnectionRefusedError:
        return ""
    with plain:
        plain.settimeout(SECONDS)
        plain.sendall(words.encode("latin-1"))
        try:
            answer = plain.recv(200)
        except TimeoutError:
            return ""
        except ConnectionError:
            return ""
    if not answer or answer.startswith(b"\x15\x03"):
        return ""
    letters = "".join(letter for letter in answer.decode("latin-1") if letter.isascii() and letter.isprintable())
    return f"{len(answer)} bytes, {letters[:60]!r}"


def handshake(address, port, name, context, words=""):
    """Return the version of a handshake, or why it failed. What a server refuses in TLS 1.3 shows at the first read."""
    try:
        with (
            socket.create_connection((address, port), SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            secure.settimeout(SECONDS)
            version, until = secure.version(), (secure.getpeercert() or {}).get("notAfter", "")
            if words:
                secure.sendall(words.encode("latin-1"))
                with contextlib.suppress(TimeoutError):
                    if not secure.recv(1):
                        return {"ok": False, "why": "closed without an answer"}
            return {"ok": True, "version": version, "until": until}
    except ssl.SSLError as wrong:
        return {"ok": False, "why": wrong.reason or str(wrong)}
    except OSError as wrong:
        return {"ok": False, "why": str(wrong)}


def doors(pid):
    """Return the ports on which a container listens for others: /proc/PID/net/tcp, state LISTEN, not its loopback."""
    rows = [
        line.split() for kind in ("tcp", "tcp6") for line in Path("/proc", pid, "net", kind).read_text().splitlines()
    ]
    ports = [row[1].rpartition(":") for row in rows if row[3] == "0A"]
    return sorted({int(port, 16) for where, _, port in ports if not where.endswith(("0100007F", "01000000"))})


def showing(store, certificate):
    """Return a context that trusts the CA and shows a client's certificate; its key lies beside it."""
    context = ssl.create_default_context(cafile=store["ca"])
    context.load_cert_chain(certificate, str(Path(certificate).with_suffix(".key")))
    return context


def enter(pid):
    """Go where the container is: there no firewall stands between, and what a store itself refuses is what shows."""
    with Path("/proc", pid, "ns/net").open() as network:
        os.setns(network.fileno(), os.CLONE_NEWNET)


found = {}
stores = json.loads(sys.argv[1])
# One that does not exist is told on standard error, and the others are shown all the same.
asked = ["podman", "container", "inspect", *(f"hedgerow-{store['name']}" for store in stores)]
answer = subprocess.run(asked, capture_output=True, check=False).stdout if stores else b""
shown = {each["Name"].removeprefix("hedgerow-"): each for each in json.loads(answer or b"[]")}
for store in stores:
    container = shown.get(store["name"])
    if not container or not container["State"]["Pid"]:
        found[store["name"]] = None
        continue
    address = next(each["IPAddress"] for each in container["NetworkSettings"]["Networks"].values())
    enter(str(container["State"]["Pid"]))
    trusting = ssl.create_default_context(cafile=store["ca"])
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    ports = {}
    for port, words in store["ports"].items():
        ports[port] = {
            "plain": said(address, int(port), words["plain"]),
            "verified": handshake(address, int(port), store["certificate"], trusting),
            "old": handshake(address, int(port), store["certificate"], old),
            "nameless": handshake(address, int(port), store["certificate"], trusting, words["secure"]),
        } | {
            who: handshake(address, int(port), store["certificate"], showing(store, file), words["secure"])
            for who, file in store.get("shown", {}).items()
            if Path(file).exists()
        }
    found[store["name"]] = {"ports": ports, "listening": doors(str(container["State"]["Pid"]))}
print(json.dumps(found))
