# How the edge takes many sign-ins at once from one address. Argument: its public name. They come from a loopback
# address of their own, so that nobody's allowance is used up, and are empty. Prints how many were answered, and how.
import contextlib
import json
import secrets
import socket
import ssl
import sys

MOST = 60
name = sys.argv[1]
source = f"127.{64 + secrets.randbelow(128)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"
context = ssl.create_default_context()
# Who answers is another control's question; here it is this host itself.
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
request = f"POST /api/login HTTP/1.1\r\nHost: {name}\r\nContent-Length: 0\r\nConnection: {{}}\r\n\r\n"
statuses = []
with contextlib.suppress(ConnectionResetError, BrokenPipeError):
    plain = socket.create_connection(("127.0.0.1", 443), timeout=5, source_address=(source, 0))
    with context.wrap_socket(plain, server_hostname=name) as connection, connection.makefile("rb") as answers:
        for number in range(MOST):
            connection.sendall(request.format("close" if number == MOST - 1 else "keep-alive").encode())
            line, length = answers.readline(), 0
            while (header := answers.readline()) not in (b"\r\n", b""):
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            answers.read(length)
            statuses.append(int(line.split()[1]))
            if statuses[-1] in (429, 503):
                break
print(json.dumps({"asked": len(statuses), "statuses": sorted(set(statuses)), "last": statuses[-1] if statuses else 0}))
