# Whether the host would hand its record to somebody who only says that he is the collector. Arguments: the settings'
# file, the collector's name. Two listeners on the loopback play him: one with the right name and a certificate that
# nobody vouches for, one that is vouched for and has another name. The forwarder's own program is started with its own
# settings, but for the place that it sends to and where it keeps its place in the journal. Prints for each listener
# whether it was reached, whether the talk began as TLS, and how many bytes of the record it got; and the SHA-256 of the
# authorities that the settings trust.
import hashlib
import json
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

settings, name = Path(sys.argv[1]).read_text(), sys.argv[2]
WAIT, LISTEN = 8.0, 2.0


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def certificate(folder, shown):
    """Make an authority's certificate that is its own server's too, as a stranger would."""
    openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
        *("-subj", f"/CN={shown}", "-addext", f"subjectAltName=DNS:{shown}"),
        *("-keyout", str(folder / "key"), "-out", str(folder / "certificate")),
    )


def changed(text, key, value):
    """Return the settings with one value replaced. A setting that is not there is no settings of ours."""
    new, count = re.subn(rf'(?i)\b({key})="[^"]*"', rf'\1="{value}"', text)
    if not count:
        sys.exit(f"{sys.argv[1]} does not say {key}")
    return new


def listen(server, context, seen):
    server.settimeout(WAIT)
    try:
        peer, _ = server.accept()
    except TimeoutError:
        return
    seen["reached"] = True
    peer.settimeout(LISTEN)
    try:
        first = peer.recv(1, socket.MSG_PEEK)
        seen["tls"] = first == b"\x16"
        if seen["tls"]:
            peer = context.wrap_socket(peer, server_side=True)
        seen["bytes"] = len(peer.recv(4096))
    except (OSError, ssl.SSLError):
        pass
    finally:
        peer.close()


def play(shown, trusted, answers, key):
    seen = answers[key] = {"reached": False, "tls": False, "bytes": 0}
    with tempfile.TemporaryDirectory(dir="/run", prefix="hedgerow-false-collector-") as made:
        folder = Path(made)
        certificate(folder, shown)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "certificate", folder / "key")
        with socket.create_server(("127.0.0.1", 0)) as server:
            text = settings
            wanted = {"target": "127.0.0.1", "port": server.getsockname()[1], "workDirectory": made}
            wanted |= {"StateFile": folder / "position"}
            if trusted:
                wanted["defaultNetstreamDriverCAFile"] = folder / "certificate"
            for word, value in wanted.items():
                text = changed(text, word, value)
            (folder / "conf").write_text(text)
            command = ["rsyslogd", "-n", "-iNONE", "-f", str(folder / "conf")]
            forwarder = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                listen(server, context, seen)
            finally:
                forwarder.terminate()
                try:
                    forwarder.wait(2)
                except subprocess.TimeoutExpired:
                    forwarder.kill()
                    forwarder.wait()


trusted = re.search(r'(?i)\bdefaultNetstreamDriverCAFile="([^"]*)"', settings)
if trusted is None:
    sys.exit(f"{sys.argv[1]} does not say whom it trusts")
authority = hashlib.sha256(Path(trusted[1]).read_bytes().strip()).hexdigest()
answers = {}
cases = [(name, False, "not vouched for"), (f"not-{name}", True, "another name")]
threads = [threading.Thread(target=play, args=(shown, trusted, answers, key)) for shown, trusted, key in cases]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({"trusts": authority, "impostors": answers}))
