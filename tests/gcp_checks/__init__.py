"""Tests of the checks that ask a Google Cloud project.

They run against the fake of `tests/gcp`, in a project hardened by hand: what the checks ask for does not lean on what
the installer makes.
"""
