"""Cloud Storage's JSON API: https://cloud.google.com/storage/docs/json_api/v1."""
