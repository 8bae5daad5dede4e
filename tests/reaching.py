"""An `ssh` that reaches one machine whose first boot is over, and remembers its key as the real one does."""

from __future__ import annotations

from hedgerow.targets.cloud.first_boot import MARK

SSH = f"""#!/bin/sh
said="$*"
while [ "$1" != -- ]; do
  case "$1" in
    UserKnownHostsFile=*) remembered=${{1#*=}} ;;
    -l) address=$3 ;;
  esac
  shift
done
[ "$remembered" = /dev/null ] || grep -qs "^$address " "$remembered" || echo "$address ssh-ed25519 AAAA" >>"$remembered"
case "$said" in
  *"test -e {MARK}"*) exit 0 ;;
  *systemd-detect-virt*) echo 127.0.0.1 none ;;
  *) exit 1 ;;
esac
"""
