"""The volume: data beside it, keys of a stranger's, and nobody left to open it."""

TOGETHER = True
# A key that opens it, for whoever adds one: what the server hands out.
KEY = "clevis luks pass -d /dev/vdb -s $(clevis luks list -d /dev/vdb | head -1 | cut -d: -f1)"
ADD = (
    "printf '{word}' >/run/stranger; {key} | cryptsetup luksAddKey --batch-mode --key-file - {how} /dev/vdb"
    " /run/stranger"
)

SABOTAGE = {
    "volume.encrypted": "mkdir -p /opt/plain && mount --bind /opt/plain /var/lib/valkey",
    "volume.keys-known": ADD.format(word="letmein", key=KEY, how="--pbkdf argon2id --pbkdf-memory 65536"),
    "volume.sound-cipher": ADD.format(word="letmein2", key=KEY, how="--pbkdf pbkdf2 --pbkdf-force-iterations 1000"),
    "volume.unlocks-itself": (
        "clevis luks unbind -f -d /dev/vdb -s $(clevis luks list -d /dev/vdb | head -1 | cut -d: -f1)"
    ),
}
COMPANIONS = {
    "volume.sound-cipher": ["volume.keys-known"],
    "volume.unlocks-itself": ["volume.keys-known"],
}
