-- Events number %(first)s down to %(last)s, where number i happened i steps before %(now)s: about 1.5 KB each,
-- shaped like a web shop's. Some names hold quotes, commas and line breaks; some devices are '' and some NULL.
WITH choices AS (
    SELECT
        string_to_array(%(words)s, ' ') AS words,
        ARRAY['page_view', 'add_to_cart', 'checkout', 'search', 'login', E'comment "two\nlines", done'] AS names,
        ARRAY['android', 'ios', 'windows', 'macos', 'linux', NULL] AS systems,
        ARRAY['web', 'app', 'kiosk', 'api'] AS platforms,
        ARRAY['phone', 'tablet', 'desktop', '', NULL] AS devices,
        ARRAY['Oslo', 'Zürich', 'São Paulo', 'Kraków', '東京', 'Nairobi', 'Montréal', 'Austin'] AS cities,
        ARRAY['free', 'team', 'business', 'enterprise'] AS plans
),

drawn AS MATERIALIZED (
    SELECT
        i,
        random() AS a,
        random() AS b,
        random() AS c,
        random() AS d,
        floor(random() * 60)::integer AS word,
        floor(random() * 60)::integer AS other_word,
        md5(random()::text) AS one,
        md5(random()::text) AS two
    FROM generate_series(%(first)s, %(last)s, -1) AS i
)

INSERT INTO analytics.events (triggered_at, name, os, platform, device, user_details, data)
SELECT
    %(now)s - i * %(step)s,
    names[1 + floor(a * 6)::integer],
    systems[1 + floor(b * 6)::integer],
    platforms[1 + floor(c * 4)::integer],
    devices[1 + floor(d * 5)::integer],
    jsonb_build_object(
        'id', floor(a * 9000000)::integer,
        'key', one,
        'email', substr(two, 1, 9) || '@' || words[1 + word] || '.example',
        'name', initcap(array_to_string(words[2 + word:3 + word], ' ')),
        'plan', plans[1 + floor(c * 4)::integer],
        'signed_up', (%(now)s - b * interval '900 days')::date,
        'address', jsonb_build_object(
            'city', cities[1 + floor(d * 8)::integer],
            'street', initcap(words[1 + other_word]) || ' ' || floor(c * 200)::text,
            'latitude', round((a * 180 - 90)::numeric, 6),
            'longitude', round((b * 360 - 180)::numeric, 6)
        ),
        'consent', jsonb_build_object('mail', c < 0.5, 'tracking', d < 0.3, 'asked', b < 0.9),
        'referrer', NULL
    ),
    jsonb_build_object(
        'session', md5(one),
        'trace', substr(one, 5, 16) || substr(two, 3, 16),
        'request', jsonb_build_object(
            'method', CASE WHEN a < 0.7 THEN 'GET' ELSE 'POST' END,
            'path', '/' || array_to_string(words[4 + word:6 + word], '/'),
            'status', CASE WHEN b < 0.95 THEN 200 ELSE 500 END,
            'milliseconds', round((c * c * 900)::numeric, 3),
            'agent', 'Mozilla/5.0 (X11; Linux x86_64) Gecko/' || floor(d * 99999999)::text || ' Firefox/' || word::text,
            'address', '10.' || floor(a * 255)::text || '.' || floor(b * 255)::text || '.' || floor(c * 255)::text
        ),
        'items', jsonb_build_array(
            jsonb_build_object(
                'sku', substr(one, 1, 10), 'quantity', 1 + floor(b * 4)::integer, 'price', round((a * 250)::numeric, 2),
                'title', array_to_string(words[7 + word:12 + word], ' ')
            ),
            jsonb_build_object(
                'sku', substr(two, 1, 10), 'quantity', 1 + floor(c * 4)::integer, 'price', round((d * 90)::numeric, 2),
                'title', array_to_string(words[5 + other_word:11 + other_word], ' ')
            )
        ),
        'page', jsonb_build_object(
            'title', initcap(array_to_string(words[3 + other_word:8 + other_word], ' ')),
            'text', array_to_string(words[1 + word:40 + word], ' '),
            'scrolled', round(d::numeric, 4)
        ),
        'experiments', jsonb_build_array(floor(c * 1000)::integer, floor(d * 1000)::integer)
    )
FROM drawn
CROSS JOIN choices
