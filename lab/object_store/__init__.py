"""The stand-in for SeaweedFS: an S3 server that keeps its objects on disk. Lab only; it holds none of SeaweedFS's code.

It reads the very files that are rendered for the real one: the identities (`weed server -s3.config`), the certificate
and its key. It speaks TLS alone, takes requests that are signed (AWS Signature Version 4, in the header or as a
presigned link) by an identity of the file, and lets each do what its `actions` say for each bucket. An object that was
acknowledged is on disk. What it has: objects put, copied out whole or in part, asked for, deleted and listed; uploads
in parts. What it has not (policies, versions, tags, copies on the server) it answers with NotImplemented, as S3 would.
"""
