-- Notices of this channel are heard from now on.
LISTEN {channel}
