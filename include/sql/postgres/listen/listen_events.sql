-- The triggers of watched tables send a notice on this channel where nobody is at work.
LISTEN archiver_events
