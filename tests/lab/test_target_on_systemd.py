"""The lab on a controller whose pid 1 is systemd, with cgroup version 2: a host of a lab plays it."""

from __future__ import annotations

import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest

from hedgerow.targets.lab import LabSpec, LabTarget, image, reach
from hedgerow.targets.lab.commands import run
from hedgerow.targets.lab.places import Places

pytestmark = pytest.mark.lab

REPOSITORY = Path(__file__).resolve().parents[2]

INSIDE = textwrap.dedent("""
    import subprocess
    from hedgerow.targets.lab import LabSpec, LabTarget, cgroups, reach
    from hedgerow.targets.lab.commands import run

    def units():
        return run(["systemctl", "list-units", "--plain", "--no-legend", "--type=scope,slice", "*hedgerow*"])

    def boot():
        return run(reach.ssh(target.place, target.site().hosts[0], "cat", "/proc/sys/kernel/random/boot_id"))

    assert cgroups.current_mode() == "scope"
    target = LabTarget("t-inner", LabSpec((("inner", ("edge", "app", "data")),)))
    assert target.preflight() == [], target.preflight()
    site = target.apply(print)
    assert "hedgerow-lab-t-inner-inner.scope" in units(), units()
    first = boot()
    subprocess.run(reach.ssh(target.place, site.hosts[0], "sudo", "systemctl", "reboot"))
    import time; time.sleep(1)
    reach.wait(target.place, site.hosts[0], target.place.host("inner"))
    second = boot()
    target.reboot("inner")
    assert len({first, second, boot()}) == 3
    target.destroy(print)
    assert units() == "", units()
    assert target.destroy(print) == []
    print("held")
""")


def test_a_controller_with_systemd_holds_hosts_in_scopes() -> None:
    target = LabTarget("t-outer", LabSpec((("outer", ("edge", "app", "data")),)))
    target.destroy(print)
    try:
        (outer,) = target.apply(print).hosts
        root = target.place.host("outer").root
        ask = reach.ssh(target.place, outer)
        run([*ask, "sudo apt-get update -qq"], seconds=120)
        tools = "systemd-container mmdebstrap debian-archive-keyring"
        run([*ask, f"sudo DEBIAN_FRONTEND=noninteractive apt-get install -y -qq {tools}"], seconds=300)
        for folder in ("hedgerow", "lab"):
            shutil.copytree(REPOSITORY / folder, root / "srv" / folder)
        tar = image.read_image("trixie").tar(Places().cache)
        inner = image.read_image("trixie").tar(root / "var/cache/hedgerow")
        inner.parent.mkdir(parents=True)
        shutil.copyfile(tar, inner)
        (root / "srv/inside.py").write_text(INSIDE)
        done = subprocess.run(
            [*ask, "cd /srv && sudo PYTHONPATH=/srv python3 inside.py"],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.stdout.endswith("held\n"), done.stdout + done.stderr
    finally:
        target.destroy(print)
