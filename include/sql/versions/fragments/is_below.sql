-- Whether a version lies below the bounds that are set.
(
            %(up_to)s::pg_catalog.text IS NULL
            OR target.{version} OPERATOR(pg_catalog.<) %(up_to)s::pg_catalog.text::{type}
        )
        AND {below_floors}
