"""Rows as a web shop's events: JSON whose keys, words and addresses come again and again, beside numbers that do not.

The reference load's rows are hashes, half of which no compressor can spare; these are what most tables hold more of.
"""

from __future__ import annotations

# Each row is of one of 400 visits that go on at the same time, of twelve events each. `chance` are numbers of the visit
# or of the row, as a hash makes them: the same in each run.
FILL_EVENTS = """
    INSERT INTO analytics.events
    SELECT
        nth,
        %(first)s + (nth - 1) * %(step)s,
        (ARRAY['page_view', 'page_view', 'page_view', 'product_view', 'product_view', 'add_to_cart', 'search',
            'checkout_started', 'order_placed'])[1 + r2 %% 9],
        jsonb_build_object(
            'event_id', md5('event' || nth),
            'visit', jsonb_build_object(
                'id', md5('visit' || visit),
                'number', 1 + v1 %% 40,
                'user_id', CASE WHEN v2 %% 3 > 0 THEN 100000 + v2 %% 250000 END,
                'consent', v3 %% 5 > 0,
                'campaign', (ARRAY[NULL, NULL, 'spring-sale', 'newsletter-week-12', 'brand-search'])[1 + v3 %% 5]
            ),
            'page', jsonb_build_object(
                'url', 'https://www.shop.example/' || category || '/' || 'article-' || 1000 + r1 %% 8000
                    || '?utm_source=' || (ARRAY['google', 'newsletter', 'direct', 'instagram'])[1 + v1 %% 4],
                'title', initcap(category) || ' no. ' || 1000 + r1 %% 8000 || ' | Shop Example',
                'referrer', 'https://www.shop.example/' || category || '/overview',
                'category', category
            ),
            'client', jsonb_build_object(
                'ip', '10.' || v1 %% 256 || '.' || v2 %% 256 || '.' || v3 %% 256,
                'agent', (ARRAY[
                    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) '
                        'Chrome/142.0.0.0 Safari/537.36',
                    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) '
                        'Version/18.1 Mobile/15E148 Safari/604.1',
                    'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) '
                        'Chrome/142.0.0.0 Mobile Safari/537.36',
                    'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0'
                ])[1 + v2 %% 4],
                'language', (ARRAY['de-DE', 'en-GB', 'fr-FR', 'nl-NL', 'de-AT'])[1 + v3 %% 5],
                'screen', (ARRAY['1920x1080', '390x844', '412x915', '1440x900', '2560x1440'])[1 + v1 %% 5]
            ),
            'timing', jsonb_build_object(
                'dns', r1 %% 60, 'connect', 8 + r2 %% 120, 'response', 20 + r3 %% 900, 'dom_ready', 300 + r1 %% 2500
            ),
            'value', round((r3 %% 20000) / 100.0, 2),
            'currency', 'EUR'
        )
    FROM
        generate_series(1, %(rows)s::bigint) AS nth,
        LATERAL (SELECT nth %% 400 + 400 * (nth / 4800) AS visit) AS of_visit,
        LATERAL (
            SELECT
                abs(hashint8(visit)::bigint) AS v1, abs(hashint8(visit + 1000000000)::bigint) AS v2,
                abs(hashint8(visit + 2000000000)::bigint) AS v3, abs(hashint8(nth)::bigint) AS r1,
                abs(hashint8(nth + 1000000000)::bigint) AS r2, abs(hashint8(nth + 2000000000)::bigint) AS r3
        ) AS chance,
        LATERAL (
            SELECT (ARRAY['shoes', 'jackets', 'kitchen', 'garden', 'books', 'toys', 'lamps', 'bicycles'])[1 + v1 %% 8]
                AS category
        ) AS of_category
"""
