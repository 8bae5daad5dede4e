"""Google Cloud behind a TLS proxy on 127.0.0.1, made from Google's own discovery documents.

It knows nothing of who asks. What the documents say (paths, fields, types, patterns, enums) is read from them; what
they cannot say is some lines each, with the page that says it. What is not modelled is answered 501, never a silent OK.
"""
