"""What the tests of real hosts share: one installed lab deployment for the whole session."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hedgerow import converge, flow, pki, prerequisites, proof, ssh
from hedgerow.console import Reporter
from hedgerow.converge import Converged
from hedgerow.deployment import Deployment
from hedgerow.errors import UnreachableError
from hedgerow.findings import Finding
from hedgerow.hosts import Host, Site
from tests.collector import Collector, collecting

REPOSITORY = Path(__file__).resolve().parent.parent
NAME = os.environ.get("HEDGEROW_TEST_NAME", "t-e2e")
"""Two sessions side by side need two names."""
BACKUPS = f"/srv/backup/{NAME}"
COLLECTOR = "203.0.113.90" if NAME == "t-e2e" else "203.0.113.91"
"""Where the session's log collector listens, of a network that is nobody's (RFC 5737)."""
TOKEN = (
    "sk-ssh-ed25519@openssh.com "
    "AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIP5Vx9FaZ2LQJz3rW0VnZQJ0yFQ3dF8m3o5m1uQ2jz8NAAAABHNzaDo="
)
"""The public half of a key in a FIDO2 token that nobody has."""
DECLARATION = f"""\
name: {NAME}
domain: analytics.acme.example
target:
  kind: lab
access:
  administrators:
    - name: jane
      ssh_keys: ["{TOKEN} jane@acme.example"]
  second_factor: fido2
  ingest_from: [any]
  interface_certificates: {{ca: staff-ca.pem}}
  outbound_to: ["203.0.113.80:8443"]
features: [session-replay, feature-flags, error-tracking, destinations, batch-exports, live-events, screenshots]
privacy: {{drop_properties: [diagnosis, form.birthday]}}
backup: {{to: /srv/backup}}
log_collector: {{host: logs.acme.example, address: {COLLECTOR}, ca_file: collector-ca.pem}}
mail: {{host: smtp.acme.example, address: 192.0.2.25, user: posthog, password_file: mail-password, from: a@b.example}}
"""
# The order of the design: the virgin host first, then the flow, then what needs an installed host.
ORDER = ("tests/unit", "tests/lab/test_target", "tests/lab/test_flow", "tests/lab", "tests/sabotage")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the cheap tests first and the lab's in their order."""

    def place(item: pytest.Item) -> int:
        path = str(item.path.relative_to(REPOSITORY))
        return next((number for number, start in enumerate(ORDER) if path.startswith(start)), len(ORDER))

    items.sort(key=place)


def folders_of_its_own(folder: Path) -> dict[str, str]:
    """Return what keeps the deployments and keys of a test apart from anybody's own."""
    return {
        "HEDGEROW_DEPLOYMENTS": str(folder / "deployments"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "HOME": str(folder),
    }


@dataclass(frozen=True)
class Answer:
    """What one call of the installer said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The last line of standard output, which is where a machine finds the result."""
        return json.loads(self.out.strip().splitlines()[-1])


@dataclass(frozen=True)
class Lab:
    """An installed deployment in the lab, and what tests do to it."""

    folder: Path
    name: str = NAME

    @property
    def environment(self) -> dict[str, str]:
        """Deployments and keys of the tests lie apart from anybody's own."""
        return {
            **os.environ,
            "HEDGEROW_DEPLOYMENTS": str(self.folder / "deployments"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
        }

    @contextmanager
    def in_this_process(self) -> Iterator[None]:
        """Have this process work in its folders for a while, as `installer` does."""
        wanted = {name: self.environment[name] for name in ("HEDGEROW_DEPLOYMENTS", "XDG_CONFIG_HOME")}
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})

    @contextmanager
    def on_its_own(self, *also: str) -> Iterator[None]:
        """Have it apart from every other deployment, in this process too; its hosts go, however that ends.

        So do those of deployments that are called `also`, and what a killed session has left of any of them.
        """
        with self.in_this_process():
            for name in (self.name, *also):
                self.installer("destroy", name, "--yes")
            try:
                yield
            finally:
                for name in (self.name, *also):
                    self.installer("destroy", name, "--yes")

    def installer(self, *words: str, seconds: float = 3600) -> Answer:
        """Call the installer as a user would."""
        answer = subprocess.run(
            [sys.executable, str(REPOSITORY / "installer.py"), *words],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        return Answer(answer.returncode, answer.stdout, answer.stderr)

    @property
    def declaration(self) -> Path:
        """The deploy.yml of the tests."""
        return self.folder / "deploy.yml"

    @property
    def deployment(self) -> Deployment:
        """The deployment folder."""
        return Deployment(self.name)

    @property
    def work(self) -> flow.Work:
        """The deployment, opened as a verb opens it: by its declaration until it is installed."""
        return flow.open_work(self.name if self.deployment.exists() else str(self.declaration))

    @property
    def site(self) -> Site:
        """Its hosts."""
        return self.work.target.site()

    @property
    def host(self) -> Host:
        """The one host."""
        return self.site.hosts[0]

    def run(self, host: Host | str, command: str) -> subprocess.CompletedProcess[str]:
        """Run a shell command as root on a host."""
        chosen = host if isinstance(host, Host) else next(h for h in self.site.hosts if h.name == host)
        line = ["sudo", "sh", "-c", shlex.quote(command)]
        return ssh.ask(chosen, self.deployment.known_hosts, line, seconds=120 * chosen.patience)

    def boot_id(self) -> str:
        """Return what tells one boot of the first host from another, "" while nobody answers."""
        line = ["cat", "/proc/sys/kernel/random/boot_id"]
        try:
            return ssh.ask(self.host, self.deployment.known_hosts, line, seconds=60).stdout.strip()
        except UnreachableError:
            return ""

    def verify(self, controls: Sequence[str] = ()) -> tuple[Finding, ...]:
        """Return the findings of these controls, or of all."""
        return proof.verify_hosts(self.work, self.site, Reporter(quiet=True), controls).findings

    def converge(self, tags: Sequence[str] = (), arguments: Sequence[str] = ()) -> Converged:
        """Run the deployment's playbook, whole or only what carries these tags."""
        words = ["--tags", ",".join(tags), *arguments] if tags else list(arguments)
        return converge.run(self.deployment.root, lambda _: None, arguments=words)


@pytest.fixture(scope="session", autouse=True)
def system_packages(request: pytest.FixtureRequest) -> None:
    """Have what the lab needs of the system before its first test, as `install --yes` would get it."""
    if any(item.get_closest_marker("lab") for item in request.session.items):
        prerequisites.provide(prerequisites.LAB, yes=True, say=print)


@pytest.fixture(scope="session")
def deployments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for the session's deployments, keys and declarations, apart from anybody's own."""
    if os.geteuid() != 0:
        pytest.fail("the lab's tests boot hosts: run them as root")
    folder = tmp_path_factory.mktemp("lab")
    with Lab(folder).in_this_process():
        yield folder


@pytest.fixture(scope="session")
def collector(deployments: Path) -> Iterator[Collector]:
    """The log collector that the lab deployment declares."""
    with collecting(deployments, COLLECTOR, Lab(deployments).deployment.authority / "ca.crt") as listening:
        yield listening


@pytest.fixture(scope="session")
def lab_folder(deployments: Path, collector: Collector) -> Iterator[Lab]:
    """A place for the lab deployment; its hosts are removed when the session ends, however it ends."""
    lab = Lab(deployments)
    lab.declaration.write_text(DECLARATION)
    (lab.folder / "staff-ca.pem").write_text(pki.new_authority("acme", datetime.now(UTC)).certificate)
    (lab.folder / "mail-password").write_text("nobody asks for it\n")
    # A killed session leaves its host behind; what its removal writes down is not this session's.
    lab.installer("destroy", lab.name, "--yes")
    shutil.rmtree(lab.deployment.root, ignore_errors=True)
    try:
        yield lab
    finally:
        lab.installer("destroy", lab.name, "--yes")


@pytest.fixture(scope="session")
def lab(lab_folder: Lab) -> Lab:
    """The installed deployment; installs it when no earlier test did."""
    if not lab_folder.deployment.evidence.exists():
        answer = lab_folder.installer("install", str(lab_folder.declaration), "--json", "--yes")
        assert answer.code == 0, answer.out + answer.err
    return lab_folder


Converger = Callable[[Sequence[str]], Converged]
