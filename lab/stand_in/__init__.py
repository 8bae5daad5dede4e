"""The stand-in for PostHog's images: what the lab runs in their place, and never anything else."""
