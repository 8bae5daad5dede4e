# Whether a store of this host knows somebody by a password that everybody knows. Arguments: JSON of such passwords, the
# command by which Valkey is asked. What the stores keep of passwords (PostgreSQL's SCRAM verifiers and MD5, Valkey's
# SHA-256) is compared here; only names leave the host. Prints how many were compared, and who has a published one.
import base64
import hashlib
import hmac
import json
import subprocess
import sys

published, valkey = json.loads(sys.argv[1]), sys.argv[2]
ROLES = "select coalesce(json_agg(json_build_array(rolname, rolpassword)), '[]') from pg_authid where rolpassword <> ''"


def ask(*line):
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout


def is_role(name, kept, password):
    """RFC 5802, 3: the verifier keeps a hash of a key that follows from the password."""
    if kept.startswith("md5"):
        return kept == "md5" + hashlib.md5((password + name).encode(), usedforsecurity=False).hexdigest()
    _, turns, rest = kept.split("$")
    rounds, salt = turns.split(":")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds))
    key = hmac.digest(salted, b"Client Key", "sha256")
    return base64.b64encode(hashlib.sha256(key).digest()).decode() == rest.split(":")[0]


compared, known = 0, []
for name, kept in json.loads(ask("runuser", "-u", "postgres", "--", "psql", "-XAtqw", "-c", ROLES)):
    compared += 1
    if any(is_role(name, kept, password) for password in (*published, name)):
        known.append(f"PostgreSQL: {name}")
for _, name, *rules in filter(None, map(str.split, ask(valkey, "ACL", "LIST").splitlines())):
    hashes = {hashlib.sha256(password.encode()).hexdigest() for password in (*published, name)}
    compared += any(rule[0] == "#" for rule in rules)
    if "on" in rules and ("nopass" in rules or any(rule[0] == "#" and rule[1:] in hashes for rule in rules)):
        known.append(f"Valkey: {name}")
print(json.dumps({"compared": compared, "known": known}))
