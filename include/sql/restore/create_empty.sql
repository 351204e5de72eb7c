CREATE TABLE {target} ()
