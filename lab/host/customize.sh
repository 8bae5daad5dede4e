#!/bin/sh
# Runs once while the host image is built, with the root of the image and the kind of machine (container, vm) as arguments.
# What differs from host to host (name, keys, address) is written later, into each root.
set -eu
root=$1 machine=$2

# The account and the name of its sudo rule are those of Debian's cloud image.
chroot "$root" useradd --create-home --shell /bin/bash --groups adm,sudo debian
printf '%s\n' '# User rules for debian' 'debian ALL=(ALL) NOPASSWD:ALL' >"$root/etc/sudoers.d/90-cloud-init-users"
chmod 0440 "$root/etc/sudoers.d/90-cloud-init-users"

# The package makes host keys when it is installed; every host of every lab would share them.
rm -f "$root"/etc/ssh/ssh_host_*

printf 'LANG=C.UTF-8\n' >"$root/etc/default/locale"
chroot "$root" systemctl enable systemd-networkd.service

# A container loads no kernel modules; the unit would fail and leave the host "degraded".
if [ "$machine" = container ]; then chroot "$root" systemctl mask systemd-modules-load.service; fi
