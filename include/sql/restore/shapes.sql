-- What the objects hold, that of the newest object first.
SELECT shapes.description
FROM pg_temp.archiver_shapes AS shapes
JOIN pg_temp.archiver_objects AS object ON object.shape = shapes.shape
GROUP BY shapes.shape, shapes.description
ORDER BY min(object.place)
