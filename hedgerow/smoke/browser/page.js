// What the page does with the SDK, as a customer's page would; `told` comes from visit.py. The function it leaves behind,
// window.seen, says what came of it. Nothing is captured by itself (autocapture, page views): the run leaves only what
// it can name.
((told) => {
  const sent = []
  let flags = null
  const client = window.posthog.init(told.token, {
    api_host: told.host,
    ui_host: told.host,
    bootstrap: { distinctID: told.stranger, isIdentifiedID: false },
    person_profiles: 'identified_only',
    autocapture: false,
    capture_pageview: false,
    capture_pageleave: false,
    disable_surveys: true,
    // The SDK sends nothing for what calls itself a robot; this one is here to send.
    opt_out_useragent_filter: true,
  })
  client.on('eventCaptured', (event) =>
    sent.push({ id: event.uuid, event: event.event, person: event.properties.distinct_id })
  )
  client.onFeatureFlags((names, _values, context) => {
    flags = { names, failed: Boolean(context && context.errorsLoading) }
  })
  client.capture(told.event, { hedgerow_run: told.run, hedgerow_from: 'browser, before identify' })
  client.identify(told.known)
  client.capture(told.event, { hedgerow_run: told.run, hedgerow_from: 'browser, after identify' })
  window.seen = () => ({
    version: client.version,
    sent,
    flags,
    session: client.get_session_id(),
    records: client.sessionRecordingStarted(),
  })
})
