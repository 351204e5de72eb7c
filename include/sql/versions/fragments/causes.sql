-- How many versions may go, and what keeps the others: of several causes the first that is named here.
count(*) FILTER (WHERE is_kept) AS by_number,
    count(*) FILTER (WHERE NOT is_kept AND NOT is_below) AS by_bound,
    count(*) FILTER (WHERE NOT is_kept AND is_below AND NOT is_old) AS by_age,
    count(*) FILTER (WHERE NOT is_kept AND is_below AND is_old AND NOT is_free) AS by_hold,
    count(*) FILTER (WHERE NOT is_kept AND is_below AND is_old AND is_free AND NOT is_unreferenced) AS by_children,
    count(*) FILTER (WHERE NOT is_kept AND is_below AND is_old AND is_free AND is_unreferenced) AS due
