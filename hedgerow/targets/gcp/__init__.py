"""Google Cloud: what a declaration wants there, as a graph; kinds as data; one door."""
