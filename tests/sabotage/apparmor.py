"""A way to let a program off its profile: it runs on, and what it may not do is only told."""

SABOTAGE = {
    "apparmor.enforced": "apparmor_parser --replace --Complain /etc/apparmor.d/usr.sbin.chronyd",
}
