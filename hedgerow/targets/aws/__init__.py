"""AWS as a target: what is wanted of a declaration, how each kind of resource is found, made, changed and removed."""
