SELECT archiver.seconds_to_next_event() AS seconds
