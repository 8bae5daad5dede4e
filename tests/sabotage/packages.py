"""Ways to get unsigned or superfluous software onto the host."""

# A package of that name with nothing in it, newer than any: the check goes by names, and nothing is downloaded.
TELNETD = (
    "folder=$(mktemp -d); mkdir $folder/DEBIAN;"
    " printf 'Package: telnetd\\nVersion: 999\\nArchitecture: all\\nMaintainer: nobody\\nDescription: empty\\n'"
    " >$folder/DEBIAN/control; dpkg-deb --build $folder /root/telnetd.deb >&2; dpkg --install /root/telnetd.deb >&2;"
    " rm -r $folder /root/telnetd.deb"
)

SABOTAGE = {
    "packages.signed": "echo 'APT::Get::AllowUnauthenticated \"true\";' >/etc/apt/apt.conf.d/zzz-loose",
    "packages.minimal": TELNETD,
}

TOGETHER = True
