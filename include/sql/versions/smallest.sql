-- The smallest value of a floor; NULL where nothing may go because of it.
SELECT CASE WHEN count(*) = count(floor.{column}) THEN min(floor.{column}) END::text AS value FROM {table} AS floor
