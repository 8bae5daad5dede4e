"""The checks: one module a concern, each control answered by one test. They know the catalog and a host, no role."""
