"""A machine of the lab that plays the one instance of a cloud: off until the cloud has started it.

Its disk is what a publisher's image is: cloud-init of the distribution, no account, no key, nothing of ours. What a lab
cannot give: its address is written into it (clouds have DHCP), and cloud-init reads its data from a folder of the disk
(clouds have a service for them at a link-local address).
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from hedgerow import ssh
from hedgerow.targets.lab import LabSpec, LabTarget, machine
from hedgerow.targets.lab.kinds import KINDS
from hedgerow.targets.lab.names import FIRST_HOST, network, short_name
from hedgerow.targets.lab.places import Machine

IMAGE = """
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --no-install-recommends cloud-init >/dev/null
# The lab writes the address; cloud-init would ask for one by DHCP.
echo 'network: {config: disabled}' >/etc/cloud/cloud.cfg.d/90-lab.cfg
echo 'datasource_list: [NoCloud]' >>/etc/cloud/cloud.cfg.d/90-lab.cfg
cloud-init clean --logs
rm -f /etc/ssh/ssh_host_* /etc/sudoers.d/90-cloud-init-users
"""


@dataclass
class Metal:
    """One machine, in a network of its own."""

    name: str
    host: str
    subnet: IPv4Network

    @property
    def lab(self) -> LabTarget:
        """The lab that has it."""
        return LabTarget(self.name, LabSpec(((self.host, ("edge", "app", "data")),), str(self.subnet)))

    @property
    def address(self) -> str:
        """Its address."""
        return str(self.subnet[FIRST_HOST])

    @property
    def root(self) -> Path:
        """Its disk."""
        return self.lab.place.host(self.host).root

    def prepare(self) -> None:
        """Make the disk, and leave the machine off: from here on nobody has a way in but by the cloud's data."""
        lab = self.lab
        (host,) = lab.apply(lambda _: None).hosts
        said = ssh.ask(host, None, ["sudo", "sh", "-s"], stdin=IMAGE, seconds=600)
        assert said.returncode == 0, said.stderr
        lab.stop(self.host)
        subprocess.run(["chroot", str(self.root), "userdel", "--remove", host.user], check=True, timeout=60)

    def start(self, instance: str, user_data: str) -> None:
        """Switch it on, with what the cloud holds for its instance."""
        seed = self.root / "var/lib/cloud/seed/nocloud"
        seed.mkdir(parents=True)
        (seed / "user-data").write_text(user_data)
        (seed / "meta-data").write_text(f"instance-id: {instance}\nlocal-hostname: {instance}\n")
        place = Machine(short_name(self.name), self.host, self.lab.place.host(self.host))
        machine.start(place, KINDS["container"], network(self.name, self.subnet).bridge)

    def destroy(self) -> None:
        """Undo all of it."""
        self.lab.destroy(lambda _: None)
