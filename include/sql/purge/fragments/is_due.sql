-- Whether a row may go: old enough, held by no restore, and nobody points to it.
target.{column} OPERATOR(pg_catalog.>=) %(first)s
        AND target.{column} OPERATOR(pg_catalog.<) %(end)s
        AND NOT coalesce((SELECT held.spans FROM held) OPERATOR(pg_catalog.@>) {moment}, false)
        AND {unreferenced}
