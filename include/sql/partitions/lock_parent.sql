-- Where a detach cannot be concurrent. The parent is locked before its partition, in the order that readers and
-- writers take, so that nobody runs into a deadlock.
LOCK TABLE ONLY {parent} IN ACCESS EXCLUSIVE MODE
