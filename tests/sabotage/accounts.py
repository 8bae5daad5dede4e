"""Ways to let somebody in who should not be, or to leave the door ajar behind those who may."""

SABOTAGE = {
    "accounts.no-work-while-away": "loginctl enable-linger jane",
    "accounts.root-locked": "usermod --password '$6$pepper$and.salt' root",
    "accounts.no-empty-passwords": "passwd --quiet --delete games",
    "accounts.only-root-is-uid-0": "useradd --non-unique --uid 0 --no-create-home --shell /usr/sbin/nologin toor",
    "accounts.system-accounts-cannot-log-in": "usermod --shell /bin/bash games",
    "accounts.administrators-are-declared": "usermod --append --groups hedgerow-admins games",
    "accounts.expiry": "usermod --expiredate 2037-01-01 $(getent group hedgerow-admins | sed 's/.*://; s/,.*//')",
    "accounts.umask": "sed -i 's/^umask .*/umask 022/' /etc/profile.d/zz-hedgerow.sh;"
    " sed -i 's/^UMASK.*/UMASK 022/' /etc/login.defs",
    "accounts.shell-timeout": "sed -i 's/^case/unset TMOUT; return 0; case/' /etc/profile.d/zz-hedgerow.sh",
}

TOGETHER = True
