-- The archive's columns, and no constraint that could refuse one of its rows.
CREATE TABLE {target} ({columns})
