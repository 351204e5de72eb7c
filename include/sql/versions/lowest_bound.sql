-- Which of the bounds is the lowest, by its number; one that is not known is lower than any.
SELECT bound.number
FROM unnest(%(bounds)s::text[]) WITH ORDINALITY AS bound (value, number)
ORDER BY bound.value::{type} NULLS FIRST, bound.number
LIMIT 1
