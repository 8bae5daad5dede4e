"""Container images as content: names, registries, archives, and copying between them with every digest checked.

Formats and protocol: OCI image specification 1.1 and OCI distribution specification 1.1.
"""
