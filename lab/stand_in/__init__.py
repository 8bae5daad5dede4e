"""The stand-in for PostHog's images. Lab only: it is not PostHog, holds none of its code, and says so everywhere.

One package, a command for each service, as upstream has them: `capture` takes events or, by its mode, session
recordings in and puts them into the event log; `ingestion` sends events on to the analytics store,
`ingestion-sessionreplay` recordings to object storage, from which `recording-api` plays them; `worker` does what is
left, `feature-flags` says which flags are on, `web` serves people and the API. `personhog-router` and
`personhog-replica` say who somebody is (gRPC), `property-defs-rs` notes which events and properties there are,
`hypercache-server` has the browser SDK's settings, `livestream` shows events as they come. Without an event log events
go through Valkey and `worker` to PostgreSQL. What it answers, and in which shape, was read from upstream's source
(posthog/api/*, posthog/settings/*, rust/*, nodejs/src/session-replay) in 2026; what it does not need for a smoke test
and for the controls of the catalog, it does not have.
"""

NAME = "Hedgerow stand-in for PostHog"
NOTICE = "This is Hedgerow's stand-in for PostHog, made for its lab. It is not PostHog."
HEADERS = (("server", "hedgerow-stand-in"), ("x-hedgerow-stand-in", "1"))
