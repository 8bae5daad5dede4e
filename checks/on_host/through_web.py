# Asks PostHog's database one question over the web service's own connection, where the database is on another host.
# Arguments: the container, the question. What it answers is one line of JSON.
import json
import subprocess
import sys

container, question = sys.argv[1:3]
# On standard input; read-only, so that a question cannot change anything.
PROGRAM = f"""
import os, psycopg
readonly = "-c default_transaction_read_only=on"
with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=5, options=readonly) as db:
    print(db.execute({question!r}).fetchone()[0])
"""
asked = subprocess.run(
    ["podman", "exec", "--interactive", container, "python3", "-"],
    input=PROGRAM,
    capture_output=True,
    text=True,
    check=False,
)
if asked.returncode != 0:
    sys.exit(asked.stderr[-500:] or f"podman exec ended with {asked.returncode}")
print(json.dumps(json.loads(asked.stdout)))
