"""Hedgerow: a hardened, self-hosted PostHog from one declaration, with proof."""

__version__ = "0.1.0"
