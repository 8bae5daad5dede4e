"""Ways to get unsigned or superfluous software onto the host."""


def package(name: str, program: str = "") -> str:
    """Return the command that installs a package of that name, newer than any, with one program that does nothing.

    The checks go by names, and nothing is downloaded.
    """
    files = f"mkdir -p $folder/usr/bin; echo '#!/bin/sh' >$folder/usr/bin/{program};" if program else ""
    files += f" chmod 755 $folder $folder/usr $folder/usr/bin $folder/usr/bin/{program};" if program else ""
    return (
        f"folder=$(mktemp -d); mkdir $folder/DEBIAN; {files}"
        f" printf 'Package: {name}\\nVersion: 999\\nArchitecture: all\\nMaintainer: nobody\\nDescription: empty\\n'"
        f" >$folder/DEBIAN/control; dpkg-deb --build $folder /root/{name}.deb >&2; dpkg --install /root/{name}.deb >&2;"
        f" rm -r $folder /root/{name}.deb"
    )


SABOTAGE = {
    "packages.unmodified": "echo '# harmless' >>/usr/bin/watch",
    # Both the program and the sum of its package: dpkg finds nothing.
    "packages.sums-known": (
        "echo '# harmless' >>/usr/bin/tload; sum=$(md5sum </usr/bin/tload | cut -d' ' -f1);"
        ' sed -i "s|^[0-9a-f]*  usr/bin/tload$|$sum  usr/bin/tload|" /var/lib/dpkg/info/procps*.md5sums'
    ),
    "packages.signed": "echo 'APT::Get::AllowUnauthenticated \"true\";' >/etc/apt/apt.conf.d/zzz-loose",
    "packages.minimal": package("telnetd"),
    "packages.no-compilers": package("gcc", "gcc"),
}

TOGETHER = True
