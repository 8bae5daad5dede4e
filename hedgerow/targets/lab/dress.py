"""What makes an unpacked image one particular host: its name, keys, address and resolver."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address
from pathlib import Path

from hedgerow.targets.lab.commands import run
from hedgerow.targets.lab.names import CONTROLLER

ACCOUNT = "debian"
STUB_RESOLVER = "127.0.0.53"


@dataclass(frozen=True)
class Dress:
    """Everything written into a root before its first boot. `interface` is how networkd knows the host's own."""

    name: str
    address: str
    subnet: IPv4Network
    authorized_key: str
    resolver: str
    proxies: dict[str, str]
    limits: bool
    interface: str = "Name=host0"


def files(dress: Dress) -> dict[str, str]:
    """Return the files by their path in the host, all readable by everybody and owned by root."""
    made = {
        "etc/hostname": f"{dress.name}\n",
        "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {dress.name}\n::1 localhost ip6-localhost ip6-loopback\n",
        # An id that is already there also means that this is no "first boot", which would
        # enable and disable services by preset and undo what the image has set.
        "etc/machine-id": f"{uuid.uuid4().hex}\n",
        "etc/systemd/network/10-lab.network": (
            f"[Match]\n{dress.interface}\n\n[Network]\n"
            f"Address={dress.address}/{dress.subnet.prefixlen}\nGateway={dress.subnet[CONTROLLER]}\n"
            "IPv6AcceptRA=no\n"
        ),
        "etc/resolv.conf": dress.resolver,
    }
    if dress.proxies:
        made["etc/apt/apt.conf.d/90-lab-proxy"] = apt_proxies(dress.proxies)
    if not dress.limits:
        # Lab only. Where the controller keeps the pids controller for itself, Podman's default
        # limit (2048) cannot be set and no container would start. Real hosts keep the limit.
        made["etc/containers/containers.conf.d/90-lab.conf"] = "[containers]\npids_limit = 0\n"
    return made


def apt_proxies(proxies: dict[str, str]) -> str:
    """Say in apt's words which proxies the controller's environment names (apt.conf(5), Acquire)."""
    schemes = [scheme for scheme in ("http", "https") if f"{scheme}_proxy" in proxies]
    lines = [f'Acquire::{scheme}::Proxy "{proxies[f"{scheme}_proxy"]}";\n' for scheme in schemes]
    # apt knows exempt hosts only, not networks, and takes no pattern.
    names = [name.strip().lstrip(".") for name in proxies.get("no_proxy", "").split(",")]
    exempt = [name for name in names if name and "*" not in name and "/" not in name]
    lines += [f'Acquire::{scheme}::Proxy::{name} "DIRECT";\n' for name in exempt for scheme in schemes]
    return "".join(lines)


def resolver_file(system: Path = Path("/")) -> Path:
    """Return the resolv.conf that is of use to somebody other than this controller.

    systemd-resolved writes its own stub into /etc and keeps the real servers beside it
    (systemd-resolved.service(8), "/etc/resolv.conf").
    """
    usual = system / "etc/resolv.conf"
    real = system / "run/systemd/resolve/resolv.conf"
    if usual.exists() and STUB_RESOLVER in nameservers(usual.read_text()) and real.exists():
        return real
    return usual


def nameservers(text: str) -> list[str]:
    words = (line.split() for line in text.splitlines())
    return [word[1] for word in words if len(word) > 1 and word[0] == "nameserver"]


def unreachable_nameservers(text: str) -> list[str]:
    """Return the name servers that only the controller itself can ask."""
    return [server for server in nameservers(text) if ip_address(server.partition("%")[0]).is_loopback]


def put_on(root: Path, dress: Dress) -> str:
    """Write everything into a root and return the public host key that was made for it."""
    for name, text in files(dress).items():
        place(root / name, text)
    home = root / "home" / ACCOUNT
    owner = home.stat()
    folder = home / ".ssh"
    folder.mkdir(mode=0o700)
    keys = folder / "authorized_keys"
    place(keys, f"{dress.authorized_key}\n", 0o600)
    for path in (folder, keys):
        os.chown(path, owner.st_uid, owner.st_gid)
    # All the kinds that Debian's own installation makes: a role that wants fewer has to remove them.
    run(["ssh-keygen", "-q", "-A", "-f", str(root)])
    kind, key, *_ = (root / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()
    return f"{kind} {key}"


def place(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # resolv.conf is a link into /run in some images: what it points to is not ours to write.
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(mode)
