"""PostHog's own browser SDK in a headless Chromium: a page, as a customer's page would be, that sends events.

The browser is driven by the DevTools protocol over a pipe, so that no port is open and nothing secret is on a command
line, and no driver has to be fetched and trusted besides. The page's site exists in the browser alone; every other name
but the deployment's resolves to nothing.
"""
