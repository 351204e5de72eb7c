-- The triggers of watched tables send one notice a second at most, while no worker of events is at work.
LISTEN archiver_events
