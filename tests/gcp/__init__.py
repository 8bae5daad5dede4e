"""Google Cloud, without an account: the fake, and the tests that stand on it."""
