# What the edge says to an event for which there is no room. Arguments: its public name, and paths. They are asked from
# the one loopback address for which there never is any (nginx's own map), so that nobody's events are touched. Prints
# status and Retry-After of each.
import http.client
import json
import socket
import ssl
import sys

SOURCE = "127.0.0.99"
name, paths = sys.argv[1], sys.argv[2:]
context = ssl.create_default_context()
# Who answers is another control's question; here it is this host itself.
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
found = {}
for path in paths:
    client = http.client.HTTPConnection(name, timeout=5)
    plain = socket.create_connection(("127.0.0.1", 443), timeout=5, source_address=(SOURCE, 0))
    client.sock = context.wrap_socket(plain, server_hostname=name)
    client.request("POST", path, b"{}", {"Content-Type": "application/json", "Connection": "close"})
    answer = client.getresponse()
    found[path] = [answer.status, answer.getheader("Retry-After", "")]
    client.close()
print(json.dumps(found))
