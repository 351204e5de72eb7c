-- How many versions may go, and what keeps the others: of several causes the first that is named here.
count(*) FILTER (WHERE "is kept") AS by_number,
    count(*) FILTER (WHERE NOT "is kept" AND NOT "is below") AS by_bound,
    count(*) FILTER (WHERE NOT "is kept" AND "is below" AND NOT "is old") AS by_age,
    count(*) FILTER (WHERE NOT "is kept" AND "is below" AND "is old" AND NOT "is free") AS by_hold,
    count(*) FILTER (
        WHERE NOT "is kept" AND "is below" AND "is old" AND "is free" AND NOT "is unreferenced"
    ) AS by_children,
    count(*) FILTER (WHERE {versions/fragments/may_go}) AS due
