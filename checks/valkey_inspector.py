"""How Valkey is asked on its own host: by a user that sees settings and no key."""

INSPECTOR = "/usr/local/lib/hedgerow/valkey-inspect"
