-- Until the transaction ends: straight to the places of a batch, instead of over the whole table or along an index of it.
SELECT
    set_config('random_page_cost', '0', true) AS random_page_cost,
    set_config('enable_seqscan', 'off', true) AS sequential_scan
