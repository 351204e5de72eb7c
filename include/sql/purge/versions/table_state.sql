-- Whatever a batch relies on, as one text; with the columns of the keys, how they compare and what they are made of, and the
-- file in which the table's rows lie: other columns of these names, or a rewrite, which puts each row in another place, leave
-- all rows as old as they were.
WITH RECURSIVE {postgres/catalog/fragments/family},
{purge/fragments/state},
keys AS (
    SELECT
        string_agg(
            concat_ws(
                ' ',
                attribute.attname,
                attribute.attnum,
                attribute.atttypid,
                attribute.attcollation,
                CASE WHEN attribute.attgenerated <> '' THEN pg_get_expr(made.adbin, made.adrelid) END
            ),
            ' '
            ORDER BY attribute.attnum
        ) AS told
    FROM pg_catalog.pg_attribute AS attribute
    LEFT JOIN pg_catalog.pg_attrdef AS made ON made.adrelid = attribute.attrelid AND made.adnum = attribute.attnum
    WHERE attribute.attrelid = %(oid)s AND attribute.attname = ANY (%(keys)s::name[])
)
SELECT concat_ws(' ', state.digest, 'keys', keys.told, 'file', pg_relation_filenode(%(oid)s::oid)) AS digest FROM state, keys
