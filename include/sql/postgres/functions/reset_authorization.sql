-- RESET ALL leaves the role as it is, and whom the session belongs to.
RESET SESSION AUTHORIZATION
