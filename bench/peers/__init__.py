"""What `make bench` sets side by side: one program each, all on the same table, told what to do by `protocol.serve`."""
