"""The lab: real Debian hosts on this controller, by systemd-nspawn, in a network of their own."""

from hedgerow.targets.lab.names import LabSpec
from hedgerow.targets.lab.target import LabTarget

__all__ = ["LabSpec", "LabTarget"]
