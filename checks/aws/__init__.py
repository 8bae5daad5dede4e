"""The checks of the cloud side of a deployment on AWS: what its API says, to credentials that can only look."""
