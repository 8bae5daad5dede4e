"""Ways in which backups come to an end that nobody notices until one is needed."""

from tests.conftest import BACKUPS

POSTGRES = "/etc/postgresql/17/main/postgresql.conf"
# A share that loses the end of a file when it is full.
LARGEST = f"$(find {BACKUPS}/postgres/backup -type f -path '*/bundle/*' -size +1 | sort | head -1)"

TOGETHER = True

SABOTAGE = {
    # "Off for the night, it slows the import down."
    "backup.recent": "systemctl disable --now hedgerow-backup.timer",
    # A dump by hand, where there is room.
    "backup.encrypted": f"runuser -u postgres -- pg_dump -s postgres >{BACKUPS}/before-the-change.sql",
    "backup.journal-archived": (
        f"sed -i \"s#^archive_command = .*#archive_command = '/bin/true'#\" {POSTGRES};"
        " systemctl reload postgresql@17-main.service"
    ),
    # The drill that was put off.
    "backup.drilled": (
        'echo \'{"good": {"at": "2020-02-01T00:00:00Z", "backup": "20200131T020000Z", "seconds_to_restore": 300,'
        ' "lost_seconds": 40, "tables": 1, "rows": 1}}\' >/etc/hedgerow/backup/drilled.json'
    ),
    "backup.verified": f"file={LARGEST}; cp -a $file /root/whole; truncate -s -1 $file",
}

MEND = {
    "backup.encrypted": f"rm {BACKUPS}/before-the-change.sql",
    "backup.verified": f"file={LARGEST}; cat /root/whole >$file; rm /root/whole",
}
