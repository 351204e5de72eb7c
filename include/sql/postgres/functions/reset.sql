-- Whatever a function has set is again as the connection had it.
RESET ALL
