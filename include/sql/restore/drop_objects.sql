DROP TABLE IF EXISTS pg_temp.archiver_objects, pg_temp.archiver_shapes
