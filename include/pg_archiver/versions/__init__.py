"""Which versions of a table's keys newer ones supersede, for whatever takes them away."""
