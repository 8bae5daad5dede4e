"""What the clouds share: a graph of resources, what differs, doing it in order, patience, prices, disposal."""
