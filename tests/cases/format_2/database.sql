SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

CREATE SCHEMA "Odd schema";

CREATE SCHEMA archiver;

CREATE FUNCTION archiver.refuse_programs_older_than_this_ledger() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    written_by text := pg_catalog.current_setting('archiver.ledger_version', true);
    lowest integer;
BEGIN
    IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'windows' THEN
        IF NEW.state = 'void' AND pg_catalog.to_jsonb(NEW) - 'state' = pg_catalog.to_jsonb(OLD) - 'state' THEN
            RETURN NEW;
        END IF;
    END IF;
    SELECT one.version INTO lowest FROM archiver.lowest_version AS one;
    IF lowest IS NOT NULL AND written_by ~ '^[0-9]{1,9}$' AND written_by::pg_catalog.int4 >= lowest THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'AR001',
        MESSAGE = 'this ledger may be written only by a later version of the archiver; update this worker',
        DETAIL = coalesce(lowest::text, 'unknown');
END
$_$;

SET default_tablespace = '';

SET default_table_access_method = heap;

CREATE TABLE "Odd schema"."Odd ""table"" ä/%" (
    id bigint NOT NULL,
    "the label" text NOT NULL,
    "at %" timestamp with time zone NOT NULL,
    amount numeric(20,6),
    data jsonb,
    tags text[],
    empty text,
    flag boolean,
    day date,
    raw bytea,
    pause interval,
    part double precision
);

CREATE TABLE archiver.enabled_before (
    client text,
    noted_at timestamp with time zone
);

CREATE TABLE archiver.lowest_version (
    single boolean DEFAULT true NOT NULL,
    version integer NOT NULL,
    CONSTRAINT lowest_version_single_check CHECK (single)
);

CREATE TABLE archiver.maintenance (
    id bigint NOT NULL,
    client text NOT NULL,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    action text NOT NULL,
    strategy text,
    state text DEFAULT 'running'::text NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    ended_at timestamp with time zone,
    heap_before bigint,
    indexes_before bigint,
    toast_before bigint,
    heap_after bigint,
    indexes_after bigint,
    toast_after bigint,
    seconds double precision,
    longest_wait_seconds double precision,
    note text,
    run_id text NOT NULL,
    CONSTRAINT maintenance_action_check CHECK ((action = ANY (ARRAY['index'::text, 'validate'::text, 'vacuum'::text, 'reclaim'::text]))),
    CONSTRAINT maintenance_check CHECK (((state = 'running'::text) = (ended_at IS NULL))),
    CONSTRAINT maintenance_state_check CHECK ((state = ANY (ARRAY['running'::text, 'done'::text, 'failed'::text, 'skipped'::text])))
);

ALTER TABLE archiver.maintenance ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME archiver.maintenance_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE archiver.migrations (
    number integer NOT NULL,
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE archiver.owners (
    client text NOT NULL,
    bucket text NOT NULL,
    prefix text NOT NULL,
    number bigint NOT NULL,
    token text NOT NULL,
    run_id text NOT NULL,
    host text NOT NULL,
    port text NOT NULL,
    system_identifier text,
    database_oid oid NOT NULL,
    adopted text,
    noted_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    confirmed_at timestamp with time zone,
    CONSTRAINT owners_number_check CHECK ((number > 0))
);

CREATE TABLE archiver.partitions (
    id bigint NOT NULL,
    client text NOT NULL,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    partition_oid oid NOT NULL,
    partition_schema text NOT NULL,
    partition_name text NOT NULL,
    parent_schema text NOT NULL,
    parent_name text NOT NULL,
    span_start timestamp without time zone NOT NULL,
    span_end timestamp without time zone NOT NULL,
    lower_bound text NOT NULL,
    upper_bound text NOT NULL,
    state text NOT NULL,
    rows bigint,
    bytes bigint,
    note text,
    run_id text NOT NULL,
    begun_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT partitions_state_check CHECK ((state = ANY (ARRAY['detaching'::text, 'dropped'::text, 'attached'::text, 'moved'::text, 'gone'::text])))
);

ALTER TABLE archiver.partitions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME archiver.partitions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE archiver.restore_targets (
    target_oid oid NOT NULL,
    target_schema text NOT NULL,
    target_table text NOT NULL,
    client text NOT NULL,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    run_id text NOT NULL,
    made_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE archiver.restores (
    id bigint NOT NULL,
    client text NOT NULL,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    bucket text NOT NULL,
    object_key text NOT NULL,
    generation integer NOT NULL,
    target_schema text NOT NULL,
    target_table text NOT NULL,
    target_oid oid NOT NULL,
    span_start timestamp without time zone NOT NULL,
    span_end timestamp without time zone NOT NULL,
    rows bigint NOT NULL,
    run_id text NOT NULL,
    restored_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    hold_until timestamp with time zone,
    positions int8multirange
);

ALTER TABLE archiver.restores ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME archiver.restores_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE archiver.windows (
    id bigint NOT NULL,
    client text NOT NULL,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    cell_start timestamp without time zone NOT NULL,
    cell_end timestamp without time zone NOT NULL,
    generation integer NOT NULL,
    span_start timestamp without time zone NOT NULL,
    span_end timestamp without time zone NOT NULL,
    state text NOT NULL,
    bucket text NOT NULL,
    object_key text NOT NULL,
    rows bigint,
    csv_bytes bigint,
    object_bytes bigint,
    sha256 text,
    etag text,
    manifest jsonb,
    deleted_upto bigint DEFAULT 0 NOT NULL,
    deleted_rows bigint DEFAULT 0 NOT NULL,
    kept_positions bigint[] DEFAULT '{}'::bigint[],
    run_id text NOT NULL,
    deleted_by_run_id text,
    note text,
    planned_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    exported_at timestamp with time zone,
    stored_at timestamp with time zone,
    deleted_at timestamp with time zone,
    rebuilt_at timestamp with time zone,
    cause text,
    kept int8multirange,
    token text,
    CONSTRAINT windows_cause_check CHECK ((cause = ANY (ARRAY['damaged'::text, 'given up'::text]))),
    CONSTRAINT windows_check CHECK ((((deleted_rows + cardinality(kept_positions)) = deleted_upto) AND (deleted_upto <= COALESCE(rows, (0)::bigint)))),
    CONSTRAINT windows_check1 CHECK (((state <> ALL (ARRAY['exported'::text, 'stored'::text, 'deleted'::text])) OR (manifest IS NOT NULL))),
    CONSTRAINT windows_generation_check CHECK ((generation > 0)),
    CONSTRAINT windows_state_check CHECK ((state = ANY (ARRAY['planned'::text, 'exported'::text, 'stored'::text, 'deleted'::text, 'void'::text])))
);

ALTER TABLE archiver.windows ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME archiver.windows_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.days (
    id integer,
    at timestamp without time zone NOT NULL,
    note text
)
PARTITION BY RANGE (at);

CREATE TABLE public.days_3 (
    id integer,
    at timestamp without time zone NOT NULL,
    note text
);

CREATE TABLE public.days_4 (
    id integer,
    at timestamp without time zone NOT NULL,
    note text
);

CREATE TABLE public.days_before (
    id integer,
    at timestamp without time zone,
    note text
);

CREATE TABLE public.keyless (
    at timestamp without time zone NOT NULL,
    note text,
    n integer
);

CREATE TABLE public.keyless_before (
    at timestamp without time zone,
    note text,
    n integer
);

CREATE TABLE public.odd_before (
    id bigint,
    "the label" text,
    "at %" timestamp with time zone,
    amount numeric(20,6),
    data jsonb,
    tags text[],
    empty text,
    flag boolean,
    day date,
    raw bytea,
    pause interval,
    part double precision
);

ALTER TABLE ONLY public.days ATTACH PARTITION public.days_4 FOR VALUES FROM ('2024-03-04 00:00:00') TO ('2024-03-05 00:00:00');

INSERT INTO "Odd schema"."Odd ""table"" ä/%" VALUES
	(30, 'label 30', '2024-03-01 01:05:00+00', -1.000000, '{"a": [30, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 10),
	(31, 'label 31', '2024-03-01 01:06:00+00', -1.000000, '{"a": [31, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 10.333333333333334),
	(60, 'label 60', '2024-03-01 02:10:00+00', 8.571429, '{"a": [60, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 20),
	(61, 'label 61', '2024-03-01 02:11:00+00', 8.714286, '{"a": [61, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 20.333333333333332),
	(62, 'label 62', '2024-03-01 02:12:00+00', 8.857143, '{"a": [62, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 20.666666666666668),
	(63, 'label 63', '2024-03-01 02:13:00+00', 9.000000, '{"a": [63, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 21),
	(64, 'label 64', '2024-03-01 02:14:00+00', 9.142857, '{"a": [64, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 21.333333333333332),
	(65, 'label 65', '2024-03-01 02:15:00+00', 9.285714, '{"a": [65, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 21.666666666666668),
	(66, 'label 66', '2024-03-01 02:16:00+00', 9.428571, '{"a": [66, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 22),
	(67, 'label 67', '2024-03-01 02:17:00+00', 9.571429, '{"a": [67, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 22.333333333333332),
	(68, 'label 68', '2024-03-01 02:18:00+00', 9.714286, '{"a": [68, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 22.666666666666668),
	(69, 'label 69', '2024-03-01 02:19:00+00', 9.857143, '{"a": [69, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 23),
	(70, 'label 70', '2024-03-01 02:20:00+00', 10.000000, '{"a": [70, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 23.333333333333332),
	(71, 'label 71', '2024-03-01 02:21:00+00', 10.142857, '{"a": [71, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 23.666666666666668),
	(72, 'label 72', '2024-03-01 02:22:00+00', 10.285714, '{"a": [72, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 24),
	(73, 'label 73', '2024-03-01 02:23:00+00', 10.428571, '{"a": [73, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 24.333333333333332),
	(74, 'label 74', '2024-03-01 02:24:00+00', 10.571429, '{"a": [74, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 24.666666666666668),
	(75, 'label 75', '2024-03-01 03:00:00+00', 10.714286, '{"a": [75, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 25),
	(76, 'label 76', '2024-03-01 03:01:00+00', 10.857143, '{"a": [76, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 25.333333333333332),
	(77, 'label 77', '2024-03-01 03:02:00+00', 11.000000, '{"a": [77, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 25.666666666666668),
	(78, 'label 78', '2024-03-01 03:03:00+00', 11.142857, '{"a": [78, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 26),
	(79, 'label 79', '2024-03-01 03:04:00+00', 11.285714, '{"a": [79, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 26.333333333333332),
	(80, 'label 80', '2024-03-01 03:05:00+00', 11.428571, '{"a": [80, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 26.666666666666668),
	(81, 'label 81', '2024-03-01 03:06:00+00', 11.571429, '{"a": [81, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 27),
	(82, 'label 82', '2024-03-01 03:07:00+00', 11.714286, '{"a": [82, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 27.333333333333332),
	(83, 'label 83', '2024-03-01 03:08:00+00', 11.857143, '{"a": [83, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 27.666666666666668),
	(84, 'label 84', '2024-03-01 03:09:00+00', 12.000000, '{"a": [84, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 28),
	(85, 'label 85', '2024-03-01 03:10:00+00', 12.142857, '{"a": [85, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 28.333333333333332),
	(86, 'label 86', '2024-03-01 03:11:00+00', 12.285714, '{"a": [86, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 28.666666666666668),
	(87, 'label 87', '2024-03-01 03:12:00+00', 12.428571, '{"a": [87, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 29),
	(88, 'label 88', '2024-03-01 03:13:00+00', 12.571429, '{"a": [88, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 29.333333333333332),
	(89, 'label 89', '2024-03-01 03:14:00+00', 12.714286, '{"a": [89, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 29.666666666666668),
	(90, 'label 90', '2024-03-01 03:15:00+00', 12.857143, '{"a": [90, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 30),
	(91, 'label 91', '2024-03-01 03:16:00+00', 13.000000, '{"a": [91, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 30.333333333333332),
	(92, 'label 92', '2024-03-01 03:17:00+00', 13.142857, '{"a": [92, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 30.666666666666668),
	(93, 'label 93', '2024-03-01 03:18:00+00', 13.285714, '{"a": [93, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 31),
	(94, 'label 94', '2024-03-01 03:19:00+00', 13.428571, '{"a": [94, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 31.333333333333332),
	(95, 'label 95', '2024-03-01 03:20:00+00', 13.571429, '{"a": [95, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 31.666666666666668),
	(96, 'label 96', '2024-03-01 03:21:00+00', 13.714286, '{"a": [96, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 32),
	(97, 'label 97', '2024-03-01 03:22:00+00', 13.857143, '{"a": [97, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 32.333333333333336),
	(98, 'label 98', '2024-03-01 03:23:00+00', 14.000000, '{"a": [98, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 32.666666666666664),
	(99, 'label 99', '2024-03-01 03:24:00+00', 14.142857, '{"a": [99, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 33),
	(100, 'label 100', '2024-03-01 04:00:00+00', 14.285714, '{"a": [100, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 33.333333333333336),
	(101, 'label 101', '2024-03-01 04:01:00+00', 14.428571, '{"a": [101, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 33.666666666666664),
	(102, 'label 102', '2024-03-01 04:02:00+00', 14.571429, '{"a": [102, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 34),
	(103, 'label 103', '2024-03-01 04:03:00+00', 14.714286, '{"a": [103, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 34.333333333333336),
	(104, 'label 104', '2024-03-01 04:04:00+00', 14.857143, '{"a": [104, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 34.666666666666664),
	(105, 'label 105', '2024-03-01 04:05:00+00', 15.000000, '{"a": [105, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 35),
	(106, 'label 106', '2024-03-01 04:06:00+00', 15.142857, '{"a": [106, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 35.333333333333336),
	(107, 'label 107', '2024-03-01 04:07:00+00', 15.285714, '{"a": [107, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 35.666666666666664),
	(108, 'label 108', '2024-03-01 04:08:00+00', 15.428571, '{"a": [108, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 36),
	(109, 'label 109', '2024-03-01 04:09:00+00', 15.571429, '{"a": [109, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 36.333333333333336),
	(110, 'label 110', '2024-03-01 04:10:00+00', 15.714286, '{"a": [110, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 36.666666666666664),
	(111, 'label 111', '2024-03-01 04:11:00+00', 15.857143, '{"a": [111, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 37),
	(112, 'label 112', '2024-03-01 04:12:00+00', 16.000000, '{"a": [112, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 37.333333333333336),
	(113, 'label 113', '2024-03-01 04:13:00+00', 16.142857, '{"a": [113, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 37.666666666666664),
	(114, 'label 114', '2024-03-01 04:14:00+00', 16.285714, '{"a": [114, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 38),
	(115, 'label 115', '2024-03-01 04:15:00+00', 16.428571, '{"a": [115, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 38.333333333333336),
	(116, 'label 116', '2024-03-01 04:16:00+00', 16.571429, '{"a": [116, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 38.666666666666664),
	(117, 'label 117', '2024-03-01 04:17:00+00', 16.714286, '{"a": [117, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 39),
	(118, 'label 118', '2024-03-01 04:18:00+00', 16.857143, '{"a": [118, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 39.333333333333336),
	(119, 'label 119', '2024-03-01 04:19:00+00', 17.000000, '{"a": [119, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 39.666666666666664),
	(120, 'label 120', '2024-03-01 04:20:00+00', 17.142857, '{"a": [120, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 40),
	(121, 'label 121', '2024-03-01 04:21:00+00', 17.285714, '{"a": [121, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 40.333333333333336),
	(122, 'label 122', '2024-03-01 04:22:00+00', 17.428571, '{"a": [122, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 40.666666666666664),
	(123, 'label 123', '2024-03-01 04:23:00+00', 17.571429, '{"a": [123, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 41),
	(124, 'label 124', '2024-03-01 04:24:00+00', 17.714286, '{"a": [124, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 41.333333333333336),
	(125, 'label 125', '2024-03-01 05:00:00+00', 17.857143, '{"a": [125, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 41.666666666666664),
	(126, 'label 126', '2024-03-01 05:01:00+00', 18.000000, '{"a": [126, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 42),
	(127, 'label 127', '2024-03-01 05:02:00+00', 18.142857, '{"a": [127, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 42.333333333333336),
	(128, 'label 128', '2024-03-01 05:03:00+00', 18.285714, '{"a": [128, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 42.666666666666664),
	(129, 'label 129', '2024-03-01 05:04:00+00', 18.428571, '{"a": [129, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 43),
	(130, 'label 130', '2024-03-01 05:05:00+00', 18.571429, '{"a": [130, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 43.333333333333336),
	(131, 'label 131', '2024-03-01 05:06:00+00', 18.714286, '{"a": [131, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 43.666666666666664),
	(132, 'label 132', '2024-03-01 05:07:00+00', 18.857143, '{"a": [132, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 44),
	(133, 'label 133', '2024-03-01 05:08:00+00', 19.000000, '{"a": [133, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 44.333333333333336),
	(134, 'label 134', '2024-03-01 05:09:00+00', 19.142857, '{"a": [134, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 44.666666666666664),
	(135, 'label 135', '2024-03-01 05:10:00+00', 19.285714, '{"a": [135, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 45),
	(136, 'label 136', '2024-03-01 05:11:00+00', 19.428571, '{"a": [136, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 45.333333333333336),
	(137, 'label 137', '2024-03-01 05:12:00+00', 19.571429, '{"a": [137, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 45.666666666666664),
	(138, 'label 138', '2024-03-01 05:13:00+00', 19.714286, '{"a": [138, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 46),
	(139, 'label 139', '2024-03-01 05:14:00+00', 19.857143, '{"a": [139, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 46.333333333333336),
	(140, 'label 140', '2024-03-01 05:15:00+00', 20.000000, '{"a": [140, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 46.666666666666664),
	(141, 'label 141', '2024-03-01 05:16:00+00', 20.142857, '{"a": [141, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 47),
	(142, 'label 142', '2024-03-01 05:17:00+00', 20.285714, '{"a": [142, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 47.333333333333336),
	(143, 'label 143', '2024-03-01 05:18:00+00', 20.428571, '{"a": [143, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 47.666666666666664),
	(144, 'label 144', '2024-03-01 05:19:00+00', 20.571429, '{"a": [144, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 48),
	(145, 'label 145', '2024-03-01 05:20:00+00', 20.714286, '{"a": [145, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 48.333333333333336),
	(146, 'label 146', '2024-03-01 05:21:00+00', 20.857143, '{"a": [146, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 48.666666666666664),
	(147, 'label 147', '2024-03-01 05:22:00+00', 21.000000, '{"a": [147, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 49),
	(148, 'label 148', '2024-03-01 05:23:00+00', 21.142857, '{"a": [148, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 49.333333333333336),
	(149, 'label 149', '2024-03-01 05:24:00+00', 21.285714, '{"a": [149, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 49.666666666666664),
	(55, 'label 55', '2024-03-01 02:05:00+00', -1.000000, '{"a": [55, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 18.333333333333332);

INSERT INTO archiver.lowest_version VALUES
	(true, 2);

INSERT INTO archiver.migrations VALUES
	(2, '0002_migrations', '2026-11-27 03:05:41.518727+00'),
	(3, '0003_windows', '2026-11-27 03:05:41.518727+00'),
	(4, '0004_open_windows', '2026-11-27 03:05:41.518727+00'),
	(5, '0005_restores', '2026-11-27 03:05:41.518727+00'),
	(6, '0006_restored_objects', '2026-11-27 03:05:41.518727+00'),
	(7, '0007_holds', '2026-11-27 03:05:41.518727+00'),
	(8, '0008_restore_targets', '2026-11-27 03:05:41.518727+00'),
	(9, '0009_rebuilt_windows', '2026-11-27 03:05:41.518727+00'),
	(10, '0010_partitions', '2026-11-27 03:05:41.518727+00'),
	(11, '0011_maintenance', '2026-11-27 03:05:41.518727+00'),
	(12, '0012_enabled_before', '2026-11-27 03:05:41.518727+00'),
	(13, '0013_owners', '2026-11-27 03:05:41.518727+00'),
	(14, '0014_cause', '2026-11-27 03:05:41.518727+00'),
	(15, '0015_restored_positions', '2026-11-27 03:05:41.518727+00'),
	(16, '0016_moved_partitions', '2026-11-27 03:05:41.518727+00'),
	(17, '0017_lowest_version', '2026-11-27 03:05:41.518727+00'),
	(18, '0018_restored_names', '2026-11-27 03:05:41.518727+00'),
	(19, '0019_kept_ranges', '2026-11-27 03:05:41.518727+00'),
	(20, '0020_tokens', '2026-11-27 03:05:41.518727+00');

INSERT INTO archiver.partitions OVERRIDING SYSTEM VALUE VALUES
	(1, 'odd cliënt', 'public', 'days', 16615, 'public', 'days_3', 'public', 'days', '2024-03-03 00:00:00', '2024-03-04 00:00:00', '2024-03-03 00:00:00', '2024-03-04 00:00:00', 'detaching', NULL, NULL, NULL, 'a run of release 2cd6177', '2026-11-27 03:05:48.299864+00', NULL);

INSERT INTO archiver.restores OVERRIDING SYSTEM VALUE VALUES
	(1, 'odd cliënt', 'public', 'keyless', 'place1', 'client=odd%20cli%C3%ABnt/schema=public/table=keyless/dt=2024-03-02/hour=00/20240302T0000-20240302T0100.g0001.csv.zst', 1, 'public', 'keyless', 16553, '2024-03-02 00:00:00', '2024-03-02 01:00:00', 10, 'a run of release 2cd6177', '2026-11-27 03:05:46.628061+00', '2126-11-03 03:05:46.628061+00', '{[1,11)}');

INSERT INTO archiver.windows OVERRIDING SYSTEM VALUE VALUES
	(1, 'odd cliënt', 'Odd schema', 'Odd "table" ä/%', '2024-03-01 00:00:00', '2024-03-01 01:00:00', 1, '2024-03-01 00:00:00', '2024-03-01 01:00:00', 'deleted', 'place1', 'client=odd%20cli%C3%ABnt/schema=Odd%20schema/table=Odd%20%22table%22%20%C3%A4%2F%25/dt=2024-03-01/hour=00/20240301T0000-20240301T0100.g0001.csv.gz', 25, 4274, 721, 'da1fb8091a80ad218c1aed04c351a257b1c322b9b0fa27b7da32dd4f9645413b', '"b5f416b9d312168204f8a8060cc40e6f"', '{"data": {"key": "client=odd%20cli%C3%ABnt/schema=Odd%20schema/table=Odd%20%22table%22%20%C3%A4%2F%25/dt=2024-03-01/hour=00/20240301T0000-20240301T0100.g0001.csv.gz", "bytes": 721, "sha256": "da1fb8091a80ad218c1aed04c351a257b1c322b9b0fa27b7da32dd4f9645413b", "content_bytes": 4274, "content_sha256": "9924d59a761de9b6901ecf4caa1a149711fa25bd0d8c0ac56b72b5b5e835b588"}, "keys": {"key": "client=odd%20cli%C3%ABnt/schema=Odd%20schema/table=Odd%20%22table%22%20%C3%A4%2F%25/dt=2024-03-01/hour=00/_20240301T0000-20240301T0100.g0001.keys.csv.gz", "bytes": 234, "sha256": "116fb604e3854ed79b659b0cc241e989ba986a957bfcf2db88b6da219506858f", "content_bytes": 778, "content_sha256": "13fea5fc6c693cb3616c31e10a344fd142d1b89b72a04405bbac04a63b06cb28"}, "rows": 25, "table": "Odd \"table\" ä/%", "token": "041684d54bc17305", "client": "odd cliënt", "format": 2, "run_id": "a run of release 2cd6177", "server": {"read_at": "2026-11-27T03:05:42.048077Z", "version": "17.10", "database": "place1", "snapshot": "747:747:", "timeline": 1, "system_identifier": "7712682104031879779"}, "columns": [{"name": "id", "type": "bigint", "number": 1}, {"name": "the label", "type": "text", "number": 2}, {"name": "at %", "type": "timestamp with time zone", "number": 3}, {"name": "amount", "type": "numeric(20,6)", "number": 4}, {"name": "data", "type": "jsonb", "number": 5}, {"name": "tags", "type": "text[]", "number": 6}, {"name": "empty", "type": "text", "number": 7}, {"name": "flag", "type": "boolean", "number": 8}, {"name": "day", "type": "date", "number": 9}, {"name": "raw", "type": "bytea", "number": 10}, {"name": "pause", "type": "interval", "number": 11}, {"name": "part", "type": "double precision", "number": 12}], "members": {"16386": {"table": "Odd \"table\" ä/%", "columns": "0840667fe41f319063f6778ccfdc7462", "file_node": 16386, "table_schema": "Odd schema"}}, "cell_end": "2024-03-01T01:00:00", "identity": "primary key", "span_end": "2024-03-01T01:00:00", "timezone": "UTC", "cell_start": "2024-03-01T00:00:00", "generation": 1, "span_start": "2024-03-01T00:00:00", "compression": "gzip", "table_schema": "Odd schema", "tool_version": "0.1.0", "timestamp_kind": "timestamp with time zone", "identity_columns": ["id", "the label"], "timestamp_column": "at %"}', 25, 25, '{}', 'a run of release 2cd6177', 'a run of release 2cd6177', NULL, '2026-11-27 03:05:41.979178+00', '2026-11-27 03:05:42.133797+00', '2026-11-27 03:05:43.139356+00', '2026-11-27 03:05:44.010416+00', NULL, NULL, NULL, '041684d54bc17305'),
	(2, 'odd cliënt', 'Odd schema', 'Odd "table" ä/%', '2024-03-01 01:00:00', '2024-03-01 02:00:00', 1, '2024-03-01 01:00:00', '2024-03-01 02:00:00', 'deleted', 'place1', 'client=odd%20cli%C3%ABnt/schema=Odd%20schema/table=Odd%20%22table%22%20%C3%A4%2F%25/dt=2024-03-01/hour=01/20240301T0100-20240301T0200.g0001.csv.gz', 25, 4334, 746, '4ed85024b60ac39f88438e2539d7715625148ef0a5741b68fa125a4697f8dc3c', '"8dbdc851caa774028eb22cc24ec0af0d"', '{"data": {"key": "client=odd%20cli%C3%ABnt/schema=Odd%20schema/table=Odd%20%22table%22%20%C3%A4%2F%25/dt=2024-03-01/hour=01/20240301T0100-20240301T0200.g0001.csv.gz", "bytes": 746, "sha256": "4ed85024b60ac39f88438e2539d7715625148ef0a5741b68fa125a4697f8dc3c", "content_bytes": 4334, "content_sha256": "b49c0e933babacae922ac7ea18c51f4235baab3e73b6a811980ec296a7d0cd7b"}, "keys": {"key": "client=odd%20cli%C3%ABnt/schema=Odd%20schema/table=Odd%20%22table%22%20%C3%A4%2F%25/dt=2024-03-01/hour=01/_20240301T0100-20240301T0200.g0001.keys.csv.gz", "bytes": 244, "sha256": "ffb686a979bbdc002646758f48fad7bba640856e248b4c438aa8dd1fea5e13ab", "content_bytes": 798, "content_sha256": "e0bbe8a7f49937cf2cf886e6d6c1fc89acf5be4b67bc0cfbf3ec6aa2b0e08325"}, "rows": 25, "table": "Odd \"table\" ä/%", "token": "07b5bbc42c826638", "client": "odd cliënt", "format": 2, "run_id": "a run of release 2cd6177", "server": {"read_at": "2026-11-27T03:05:42.212298Z", "version": "17.10", "database": "place1", "snapshot": "749:749:", "timeline": 1, "system_identifier": "7712682104031879779"}, "columns": [{"name": "id", "type": "bigint", "number": 1}, {"name": "the label", "type": "text", "number": 2}, {"name": "at %", "type": "timestamp with time zone", "number": 3}, {"name": "amount", "type": "numeric(20,6)", "number": 4}, {"name": "data", "type": "jsonb", "number": 5}, {"name": "tags", "type": "text[]", "number": 6}, {"name": "empty", "type": "text", "number": 7}, {"name": "flag", "type": "boolean", "number": 8}, {"name": "day", "type": "date", "number": 9}, {"name": "raw", "type": "bytea", "number": 10}, {"name": "pause", "type": "interval", "number": 11}, {"name": "part", "type": "double precision", "number": 12}], "members": {"16386": {"table": "Odd \"table\" ä/%", "columns": "0840667fe41f319063f6778ccfdc7462", "file_node": 16386, "table_schema": "Odd schema"}}, "cell_end": "2024-03-01T02:00:00", "identity": "primary key", "span_end": "2024-03-01T02:00:00", "timezone": "UTC", "cell_start": "2024-03-01T01:00:00", "generation": 1, "span_start": "2024-03-01T01:00:00", "compression": "gzip", "table_schema": "Odd schema", "tool_version": "0.1.0", "timestamp_kind": "timestamp with time zone", "identity_columns": ["id", "the label"], "timestamp_column": "at %"}', 25, 23, '{6,7}', 'a run of release 2cd6177', 'a run of release 2cd6177', '2 row(s) changed since the export and stayed', '2026-11-27 03:05:42.170537+00', '2026-11-27 03:05:42.267425+00', '2026-11-27 03:05:43.281426+00', '2026-11-27 03:05:44.399812+00', NULL, NULL, '{[6,8)}', '07b5bbc42c826638'),
	(3, 'odd cliënt', 'Odd schema', 'Odd "table" ä/%', '2024-03-01 02:00:00', '2024-03-01 03:00:00', 1, '2024-03-01 02:00:00', '2024-03-01 03:00:00', 'stored', 'place1', 'client=odd%20cli%C3%ABnt/schema=Odd%20schema/table=Odd%20%22table%22%20%C3%A4%2F%25/dt=2024-03-01/hour=02/20240301T0200-20240301T0300.g0001.csv.gz', 25, 4365, 742, '52cfc00d43f936d38c8cd68cdbb63b74287b99726b969520a0a05f904cb2ebab', '"e62cbf6007b7db6b2bf7c454113ed50a"', '{"data": {"key": "client=odd%20cli%C3%ABnt/schema=Odd%20schema/table=Odd%20%22table%22%20%C3%A4%2F%25/dt=2024-03-01/hour=02/20240301T0200-20240301T0300.g0001.csv.gz", "bytes": 742, "sha256": "52cfc00d43f936d38c8cd68cdbb63b74287b99726b969520a0a05f904cb2ebab", "content_bytes": 4365, "content_sha256": "69e08352fa69cf86dfe36e859d26b5ce4aeb4437cd3e8d65976737f590f80486"}, "keys": {"key": "client=odd%20cli%C3%ABnt/schema=Odd%20schema/table=Odd%20%22table%22%20%C3%A4%2F%25/dt=2024-03-01/hour=02/_20240301T0200-20240301T0300.g0001.keys.csv.gz", "bytes": 226, "sha256": "544c88ccf1bc80382c7e08bc1f00ae5c9a959d4ba730d3282f8277ddca269169", "content_bytes": 807, "content_sha256": "ab5b25c5f3fe64549fc6cb3f225ecdf1beb1efa7ea27b470adbd318f4c0f45f8"}, "rows": 25, "table": "Odd \"table\" ä/%", "token": "41a55f19e688cf36", "client": "odd cliënt", "format": 2, "run_id": "a run of release 2cd6177", "server": {"read_at": "2026-11-27T03:05:42.414779Z", "version": "17.10", "database": "place1", "snapshot": "751:751:", "timeline": 1, "system_identifier": "7712682104031879779"}, "columns": [{"name": "id", "type": "bigint", "number": 1}, {"name": "the label", "type": "text", "number": 2}, {"name": "at %", "type": "timestamp with time zone", "number": 3}, {"name": "amount", "type": "numeric(20,6)", "number": 4}, {"name": "data", "type": "jsonb", "number": 5}, {"name": "tags", "type": "text[]", "number": 6}, {"name": "empty", "type": "text", "number": 7}, {"name": "flag", "type": "boolean", "number": 8}, {"name": "day", "type": "date", "number": 9}, {"name": "raw", "type": "bytea", "number": 10}, {"name": "pause", "type": "interval", "number": 11}, {"name": "part", "type": "double precision", "number": 12}], "members": {"16386": {"table": "Odd \"table\" ä/%", "columns": "0840667fe41f319063f6778ccfdc7462", "file_node": 16386, "table_schema": "Odd schema"}}, "cell_end": "2024-03-01T03:00:00", "identity": "primary key", "span_end": "2024-03-01T03:00:00", "timezone": "UTC", "cell_start": "2024-03-01T02:00:00", "generation": 1, "span_start": "2024-03-01T02:00:00", "compression": "gzip", "table_schema": "Odd schema", "tool_version": "0.1.0", "timestamp_kind": "timestamp with time zone", "identity_columns": ["id", "the label"], "timestamp_column": "at %"}', 10, 9, '{6}', 'a run of release 2cd6177', 'a run of release 2cd6177', NULL, '2026-11-27 03:05:42.332089+00', '2026-11-27 03:05:42.533372+00', '2026-11-27 03:05:43.409121+00', NULL, NULL, NULL, '{[6,7)}', '41a55f19e688cf36'),
	(5, 'odd cliënt', 'Odd schema', 'Odd "table" ä/%', '2024-03-01 04:00:00', '2024-03-01 05:00:00', 1, '2024-03-01 04:00:00', '2024-03-01 05:00:00', 'exported', 'place1', 'client=odd%20cli%C3%ABnt/schema=Odd%20schema/table=Odd%20%22table%22%20%C3%A4%2F%25/dt=2024-03-01/hour=04/20240301T0400-20240301T0500.g0001.csv.gz', 25, 4439, 748, 'cad5012270f915ff6c7e4c0342268aa71fbe3f1d338a1b834e3107bd0fb95484', NULL, '{"data": {"key": "client=odd%20cli%C3%ABnt/schema=Odd%20schema/table=Odd%20%22table%22%20%C3%A4%2F%25/dt=2024-03-01/hour=04/20240301T0400-20240301T0500.g0001.csv.gz", "bytes": 748, "sha256": "cad5012270f915ff6c7e4c0342268aa71fbe3f1d338a1b834e3107bd0fb95484", "content_bytes": 4439, "content_sha256": "14a820d16699b8b6370d0a10af4b70ed25af4933aa430d5169c59e015e9dcc92"}, "keys": {"key": "client=odd%20cli%C3%ABnt/schema=Odd%20schema/table=Odd%20%22table%22%20%C3%A4%2F%25/dt=2024-03-01/hour=04/_20240301T0400-20240301T0500.g0001.keys.csv.gz", "bytes": 247, "sha256": "f88bfedb967a5c02f88065fccb62f27c056aa87813bf7f4ee21d439980cf673b", "content_bytes": 848, "content_sha256": "20f7f990602e9b1f447c9b044387ff39bcdd1f2b37db075665e4d50f52e98e37"}, "rows": 25, "table": "Odd \"table\" ä/%", "token": "3cd11eb1994031a7", "client": "odd cliënt", "format": 2, "run_id": "a run of release 2cd6177", "server": {"read_at": "2026-11-27T03:05:42.926888Z", "version": "17.10", "database": "place1", "snapshot": "755:755:", "timeline": 1, "system_identifier": "7712682104031879779"}, "columns": [{"name": "id", "type": "bigint", "number": 1}, {"name": "the label", "type": "text", "number": 2}, {"name": "at %", "type": "timestamp with time zone", "number": 3}, {"name": "amount", "type": "numeric(20,6)", "number": 4}, {"name": "data", "type": "jsonb", "number": 5}, {"name": "tags", "type": "text[]", "number": 6}, {"name": "empty", "type": "text", "number": 7}, {"name": "flag", "type": "boolean", "number": 8}, {"name": "day", "type": "date", "number": 9}, {"name": "raw", "type": "bytea", "number": 10}, {"name": "pause", "type": "interval", "number": 11}, {"name": "part", "type": "double precision", "number": 12}], "members": {"16386": {"table": "Odd \"table\" ä/%", "columns": "0840667fe41f319063f6778ccfdc7462", "file_node": 16386, "table_schema": "Odd schema"}}, "cell_end": "2024-03-01T05:00:00", "identity": "primary key", "span_end": "2024-03-01T05:00:00", "timezone": "UTC", "cell_start": "2024-03-01T04:00:00", "generation": 1, "span_start": "2024-03-01T04:00:00", "compression": "gzip", "table_schema": "Odd schema", "tool_version": "0.1.0", "timestamp_kind": "timestamp with time zone", "identity_columns": ["id", "the label"], "timestamp_column": "at %"}', 0, 0, '{}', 'a run of release 2cd6177', NULL, NULL, '2026-11-27 03:05:42.845032+00', '2026-11-27 03:05:42.98444+00', NULL, NULL, NULL, NULL, NULL, '3cd11eb1994031a7'),
	(4, 'odd cliënt', 'Odd schema', 'Odd "table" ä/%', '2024-03-01 03:00:00', '2024-03-01 04:00:00', 1, '2024-03-01 03:00:00', '2024-03-01 04:00:00', 'stored', 'place1', 'client=odd%20cli%C3%ABnt/schema=Odd%20schema/table=Odd%20%22table%22%20%C3%A4%2F%25/dt=2024-03-01/hour=03/20240301T0300-20240301T0400.g0001.csv.gz', 25, 4346, 743, '42b9b17f745606aaa68c71b35a04e4dac15d37f21cbe5756741626b5fcba239c', '"fffc0d12d86b5e61d3ea05139a907bba"', '{"data": {"key": "client=odd%20cli%C3%ABnt/schema=Odd%20schema/table=Odd%20%22table%22%20%C3%A4%2F%25/dt=2024-03-01/hour=03/20240301T0300-20240301T0400.g0001.csv.gz", "bytes": 743, "sha256": "42b9b17f745606aaa68c71b35a04e4dac15d37f21cbe5756741626b5fcba239c", "content_bytes": 4346, "content_sha256": "bb19a27aba4701c7f864a0e793a5dc7a0b84750eed207ddf368e2c63db54581a"}, "keys": {"key": "client=odd%20cli%C3%ABnt/schema=Odd%20schema/table=Odd%20%22table%22%20%C3%A4%2F%25/dt=2024-03-01/hour=03/_20240301T0300-20240301T0400.g0001.keys.csv.gz", "bytes": 237, "sha256": "ee1196f455f784c65d02a4b4561984f15cb130aebf53dea0cf7d1a5af641564d", "content_bytes": 798, "content_sha256": "3f3621b5eec0b04938f6883d672d55aa3665c3ed1410b091b00ecfa7e568ead8"}, "rows": 25, "table": "Odd \"table\" ä/%", "token": "ed93be4cbc0219e5", "client": "odd cliënt", "format": 2, "run_id": "a run of release 2cd6177", "server": {"read_at": "2026-11-27T03:05:42.707753Z", "version": "17.10", "database": "place1", "snapshot": "753:753:", "timeline": 1, "system_identifier": "7712682104031879779"}, "columns": [{"name": "id", "type": "bigint", "number": 1}, {"name": "the label", "type": "text", "number": 2}, {"name": "at %", "type": "timestamp with time zone", "number": 3}, {"name": "amount", "type": "numeric(20,6)", "number": 4}, {"name": "data", "type": "jsonb", "number": 5}, {"name": "tags", "type": "text[]", "number": 6}, {"name": "empty", "type": "text", "number": 7}, {"name": "flag", "type": "boolean", "number": 8}, {"name": "day", "type": "date", "number": 9}, {"name": "raw", "type": "bytea", "number": 10}, {"name": "pause", "type": "interval", "number": 11}, {"name": "part", "type": "double precision", "number": 12}], "members": {"16386": {"table": "Odd \"table\" ä/%", "columns": "0840667fe41f319063f6778ccfdc7462", "file_node": 16386, "table_schema": "Odd schema"}}, "cell_end": "2024-03-01T04:00:00", "identity": "primary key", "span_end": "2024-03-01T04:00:00", "timezone": "UTC", "cell_start": "2024-03-01T03:00:00", "generation": 1, "span_start": "2024-03-01T03:00:00", "compression": "gzip", "table_schema": "Odd schema", "tool_version": "0.1.0", "timestamp_kind": "timestamp with time zone", "identity_columns": ["id", "the label"], "timestamp_column": "at %"}', 0, 0, '{}', 'a run of release 2cd6177', NULL, NULL, '2026-11-27 03:05:42.61245+00', '2026-11-27 03:05:42.76644+00', '2026-11-27 03:05:43.575021+00', NULL, NULL, NULL, NULL, 'ed93be4cbc0219e5'),
	(6, 'odd cliënt', 'Odd schema', 'Odd "table" ä/%', '2024-03-01 05:00:00', '2024-03-01 06:00:00', 1, '2024-03-01 05:00:00', '2024-03-01 06:00:00', 'void', 'place1', 'client=odd%20cli%C3%ABnt/schema=Odd%20schema/table=Odd%20%22table%22%20%C3%A4%2F%25/dt=2024-03-01/hour=05/20240301T0500-20240301T0600.g0001.csv.gz', 25, 4460, 755, '94f838e075bddc641dc41a4c4c320e9b032f1a9cc80bd132f74e1859b4a0e7a6', NULL, '{"data": {"key": "client=odd%20cli%C3%ABnt/schema=Odd%20schema/table=Odd%20%22table%22%20%C3%A4%2F%25/dt=2024-03-01/hour=05/20240301T0500-20240301T0600.g0001.csv.gz", "bytes": 755, "sha256": "94f838e075bddc641dc41a4c4c320e9b032f1a9cc80bd132f74e1859b4a0e7a6", "content_bytes": 4460, "content_sha256": "e36ce51607b2e89632029435b9c7a020782311d2b56229e0a4238e24f51301ca"}, "keys": {"key": "client=odd%20cli%C3%ABnt/schema=Odd%20schema/table=Odd%20%22table%22%20%C3%A4%2F%25/dt=2024-03-01/hour=05/_20240301T0500-20240301T0600.g0001.keys.csv.gz", "bytes": 235, "sha256": "af34ab2be1ad24700d626cdc4d7f3ec610535261c4eb2f7cd4e9dcd4261d94d9", "content_bytes": 857, "content_sha256": "8cd390b6647afe3a19db8402a8f6ce11ab3ef2eb7a0067dcd8de72afec8e747a"}, "rows": 25, "table": "Odd \"table\" ä/%", "token": "b4d79c25e2c22c64", "client": "odd cliënt", "format": 2, "run_id": "a run of release 2cd6177", "server": {"read_at": "2026-11-27T03:05:44.779246Z", "version": "17.10", "database": "place1", "snapshot": "787:787:", "timeline": 1, "system_identifier": "7712682104031879779"}, "columns": [{"name": "id", "type": "bigint", "number": 1}, {"name": "the label", "type": "text", "number": 2}, {"name": "at %", "type": "timestamp with time zone", "number": 3}, {"name": "amount", "type": "numeric(20,6)", "number": 4}, {"name": "data", "type": "jsonb", "number": 5}, {"name": "tags", "type": "text[]", "number": 6}, {"name": "empty", "type": "text", "number": 7}, {"name": "flag", "type": "boolean", "number": 8}, {"name": "day", "type": "date", "number": 9}, {"name": "raw", "type": "bytea", "number": 10}, {"name": "pause", "type": "interval", "number": 11}, {"name": "part", "type": "double precision", "number": 12}], "members": {"16386": {"table": "Odd \"table\" ä/%", "columns": "0840667fe41f319063f6778ccfdc7462", "file_node": 16386, "table_schema": "Odd schema"}}, "cell_end": "2024-03-01T06:00:00", "identity": "primary key", "span_end": "2024-03-01T06:00:00", "timezone": "UTC", "cell_start": "2024-03-01T05:00:00", "generation": 1, "span_start": "2024-03-01T05:00:00", "compression": "gzip", "table_schema": "Odd schema", "tool_version": "0.1.0", "timestamp_kind": "timestamp with time zone", "identity_columns": ["id", "the label"], "timestamp_column": "at %"}', 0, 0, '{}', 'a run of release 2cd6177', 'a run of release 2cd6177', 'given up by a test of release 2cd6177', '2026-11-27 03:05:44.707049+00', '2026-11-27 03:05:44.83712+00', NULL, NULL, NULL, NULL, NULL, 'b4d79c25e2c22c64'),
	(7, 'odd cliënt', 'public', 'keyless', '2024-03-02 00:00:00', '2024-03-02 01:00:00', 1, '2024-03-02 00:00:00', '2024-03-02 01:00:00', 'deleted', 'place1', 'client=odd%20cli%C3%ABnt/schema=public/table=keyless/dt=2024-03-02/hour=00/20240302T0000-20240302T0100.g0001.csv.zst', 10, 258, 97, 'ae17e2ea739ddf36a9b3c0993c5710d3d5a75821b14bf116a74cd3a967615c6f', '"ed8e171924e23fe1b556e2cc28fdef16"', '{"data": {"key": "client=odd%20cli%C3%ABnt/schema=public/table=keyless/dt=2024-03-02/hour=00/20240302T0000-20240302T0100.g0001.csv.zst", "bytes": 97, "sha256": "ae17e2ea739ddf36a9b3c0993c5710d3d5a75821b14bf116a74cd3a967615c6f", "content_bytes": 258, "content_sha256": "6d9bb5750158df3c52f23dfdaacc6347d9c8338b1de74bda0f5b0078e848eade"}, "keys": {"key": "client=odd%20cli%C3%ABnt/schema=public/table=keyless/dt=2024-03-02/hour=00/_20240302T0000-20240302T0100.g0001.keys.csv.zst", "bytes": 85, "sha256": "a13f7942a0cedfecc0a7f15fcbcc599586ed744deccbd7e3ddd0645cdc18bb8a", "content_bytes": 200, "content_sha256": "d2a7adcb9298ce5fa8d4342f321da53d07533ee79e40c788596762de04f09d0c"}, "rows": 10, "table": "keyless", "token": "7f059eb346ca1a5d", "client": "odd cliënt", "format": 2, "run_id": "a run of release 2cd6177", "server": {"read_at": "2026-11-27T03:05:45.371489Z", "version": "17.10", "database": "place1", "snapshot": "793:793:", "timeline": 1, "system_identifier": "7712682104031879779"}, "columns": [{"name": "at", "type": "timestamp without time zone", "number": 1}, {"name": "note", "type": "text", "number": 2}, {"name": "n", "type": "integer", "number": 3}], "members": {"16553": {"table": "keyless", "columns": "b7f22a16f731883674d20e6477b15cd0", "file_node": 16553, "table_schema": "public"}}, "cell_end": "2024-03-02T01:00:00", "identity": "table and place in it (tableoid, ctid)", "span_end": "2024-03-02T01:00:00", "timezone": "UTC", "cell_start": "2024-03-02T00:00:00", "generation": 1, "span_start": "2024-03-02T00:00:00", "compression": "zstd", "table_schema": "public", "tool_version": "0.1.0", "timestamp_kind": "timestamp without time zone", "identity_columns": [], "timestamp_column": "at"}', 10, 10, '{}', 'a run of release 2cd6177', 'a run of release 2cd6177', NULL, '2026-11-27 03:05:45.293021+00', '2026-11-27 03:05:45.423439+00', '2026-11-27 03:05:45.49989+00', '2026-11-27 03:05:45.754179+00', NULL, NULL, NULL, '7f059eb346ca1a5d'),
	(8, 'odd cliënt', 'public', 'keyless', '2024-03-02 01:00:00', '2024-03-02 02:00:00', 1, '2024-03-02 01:00:00', '2024-03-02 02:00:00', 'deleted', 'place1', 'client=odd%20cli%C3%ABnt/schema=public/table=keyless/dt=2024-03-02/hour=01/20240302T0100-20240302T0200.g0001.csv.zst', 10, 263, 97, '5ca9941d2c60084c3b921fc8afae0cdcac5218b52cd28e0a91db514c7b95397e', '"7c77b5c735c5780464a8421790756b97"', '{"data": {"key": "client=odd%20cli%C3%ABnt/schema=public/table=keyless/dt=2024-03-02/hour=01/20240302T0100-20240302T0200.g0001.csv.zst", "bytes": 97, "sha256": "5ca9941d2c60084c3b921fc8afae0cdcac5218b52cd28e0a91db514c7b95397e", "content_bytes": 263, "content_sha256": "1a298b123ffd8afe011cf0f3f954e902b3b4b4eaad9ae020bff39ff6aab56f54"}, "keys": {"key": "client=odd%20cli%C3%ABnt/schema=public/table=keyless/dt=2024-03-02/hour=01/_20240302T0100-20240302T0200.g0001.keys.csv.zst", "bytes": 86, "sha256": "ba123daaf3094f466649132a25a3abb38bf3daff3708764ccae34b29cafb6727", "content_bytes": 209, "content_sha256": "fdabdc94991b0058d1686d336f9a3df126f5d6a32426ed4a63f2c5d8be502588"}, "rows": 10, "table": "keyless", "token": "b7699bde023df9a9", "client": "odd cliënt", "format": 2, "run_id": "a run of release 2cd6177", "server": {"read_at": "2026-11-27T03:05:45.920447Z", "version": "17.10", "database": "place1", "snapshot": "803:803:", "timeline": 1, "system_identifier": "7712682104031879779"}, "columns": [{"name": "at", "type": "timestamp without time zone", "number": 1}, {"name": "note", "type": "text", "number": 2}, {"name": "n", "type": "integer", "number": 3}], "members": {"16553": {"table": "keyless", "columns": "b7f22a16f731883674d20e6477b15cd0", "file_node": 16553, "table_schema": "public"}}, "cell_end": "2024-03-02T02:00:00", "identity": "table and place in it (tableoid, ctid)", "span_end": "2024-03-02T02:00:00", "timezone": "UTC", "cell_start": "2024-03-02T01:00:00", "generation": 1, "span_start": "2024-03-02T01:00:00", "compression": "zstd", "table_schema": "public", "tool_version": "0.1.0", "timestamp_kind": "timestamp without time zone", "identity_columns": [], "timestamp_column": "at"}', 10, 10, '{}', 'a run of release 2cd6177', 'a run of release 2cd6177', NULL, '2026-11-27 03:05:45.841946+00', '2026-11-27 03:05:45.984672+00', '2026-11-27 03:05:46.138781+00', '2026-11-27 03:05:46.356451+00', NULL, NULL, NULL, 'b7699bde023df9a9'),
	(9, 'odd cliënt', 'public', 'days', '2024-03-03 00:00:00', '2024-03-03 01:00:00', 1, '2024-03-03 00:00:00', '2024-03-03 01:00:00', 'stored', 'place1', 'client=odd%20cli%C3%ABnt/schema=public/table=days/dt=2024-03-03/hour=00/20240303T0000-20240303T0100.g0001.csv.gz', 1, 40, 60, '077c5a061bed6c12a7bc024df9afdb565c87961fa917f082abb0515fce38dac8', '"cf20641cce18418281cc8be3fc4dfb8a"', '{"data": {"key": "client=odd%20cli%C3%ABnt/schema=public/table=days/dt=2024-03-03/hour=00/20240303T0000-20240303T0100.g0001.csv.gz", "bytes": 60, "sha256": "077c5a061bed6c12a7bc024df9afdb565c87961fa917f082abb0515fce38dac8", "content_bytes": 40, "content_sha256": "09513f26edfdeffd60f9d7647edd166dfb633f14caf0d446fbc1ed42e8820473"}, "keys": {"key": "client=odd%20cli%C3%ABnt/schema=public/table=days/dt=2024-03-03/hour=00/_20240303T0000-20240303T0100.g0001.keys.csv.gz", "bytes": 57, "sha256": "9f7c877ad20206a0cdc5b5e50f2c4214f3bf6599820b8a5c3789208697e2ffa6", "content_bytes": 37, "content_sha256": "f44d738cdc70e8334b528c9ccb981afc03bf12ff6751723086cc1f99602b6e62"}, "rows": 1, "table": "days", "token": "cfc8f609c9a56981", "client": "odd cliënt", "format": 2, "run_id": "a run of release 2cd6177", "server": {"read_at": "2026-11-27T03:05:47.065690Z", "version": "17.10", "database": "place1", "snapshot": "832:832:", "timeline": 1, "system_identifier": "7712682104031879779"}, "columns": [{"name": "id", "type": "integer", "number": 1}, {"name": "at", "type": "timestamp without time zone", "number": 2}, {"name": "note", "type": "text", "number": 3}], "members": {"16615": {"table": "days_3", "columns": "e8a4bf3642a4c97c9484d327bdd68b50", "file_node": 16615, "table_schema": "public"}}, "cell_end": "2024-03-03T01:00:00", "identity": "table and place in it (tableoid, ctid)", "span_end": "2024-03-03T01:00:00", "timezone": "UTC", "cell_start": "2024-03-03T00:00:00", "generation": 1, "span_start": "2024-03-03T00:00:00", "compression": "gzip", "table_schema": "public", "tool_version": "0.1.0", "timestamp_kind": "timestamp without time zone", "identity_columns": [], "timestamp_column": "at"}', 0, 0, '{}', 'a run of release 2cd6177', NULL, NULL, '2026-11-27 03:05:47.003478+00', '2026-11-27 03:05:47.110751+00', '2026-11-27 03:05:47.19124+00', NULL, NULL, NULL, NULL, 'cfc8f609c9a56981'),
	(10, 'odd cliënt', 'public', 'days', '2024-03-03 06:00:00', '2024-03-03 07:00:00', 1, '2024-03-03 06:00:00', '2024-03-03 07:00:00', 'stored', 'place1', 'client=odd%20cli%C3%ABnt/schema=public/table=days/dt=2024-03-03/hour=06/20240303T0600-20240303T0700.g0001.csv.gz', 1, 40, 60, 'a757398c8c3b57e8a769c1dbcc0061f78b38703eb3a30156cdd5957b8353f5b5', '"78b4cb88bd7c26f69f9342432c443c0b"', '{"data": {"key": "client=odd%20cli%C3%ABnt/schema=public/table=days/dt=2024-03-03/hour=06/20240303T0600-20240303T0700.g0001.csv.gz", "bytes": 60, "sha256": "a757398c8c3b57e8a769c1dbcc0061f78b38703eb3a30156cdd5957b8353f5b5", "content_bytes": 40, "content_sha256": "56cf19cc3f9cad9851f057f5d310a259c386c662c72801d21933ab6c94680f94"}, "keys": {"key": "client=odd%20cli%C3%ABnt/schema=public/table=days/dt=2024-03-03/hour=06/_20240303T0600-20240303T0700.g0001.keys.csv.gz", "bytes": 57, "sha256": "4b82711d643cf1668c43c42065e9927af181095c38e9b6297a215da68947592b", "content_bytes": 37, "content_sha256": "8815f9f5b766b79fe1a1f6559308853eea2cc133487001a3ad4d1dfc07b35b42"}, "rows": 1, "table": "days", "token": "b7a769b29410f8f6", "client": "odd cliënt", "format": 2, "run_id": "a run of release 2cd6177", "server": {"read_at": "2026-11-27T03:05:47.351667Z", "version": "17.10", "database": "place1", "snapshot": "835:835:", "timeline": 1, "system_identifier": "7712682104031879779"}, "columns": [{"name": "id", "type": "integer", "number": 1}, {"name": "at", "type": "timestamp without time zone", "number": 2}, {"name": "note", "type": "text", "number": 3}], "members": {"16615": {"table": "days_3", "columns": "e8a4bf3642a4c97c9484d327bdd68b50", "file_node": 16615, "table_schema": "public"}}, "cell_end": "2024-03-03T07:00:00", "identity": "table and place in it (tableoid, ctid)", "span_end": "2024-03-03T07:00:00", "timezone": "UTC", "cell_start": "2024-03-03T06:00:00", "generation": 1, "span_start": "2024-03-03T06:00:00", "compression": "gzip", "table_schema": "public", "tool_version": "0.1.0", "timestamp_kind": "timestamp without time zone", "identity_columns": [], "timestamp_column": "at"}', 0, 0, '{}', 'a run of release 2cd6177', NULL, NULL, '2026-11-27 03:05:47.261902+00', '2026-11-27 03:05:47.406804+00', '2026-11-27 03:05:47.546859+00', NULL, NULL, NULL, NULL, 'b7a769b29410f8f6'),
	(11, 'odd cliënt', 'public', 'days', '2024-03-03 12:00:00', '2024-03-03 13:00:00', 1, '2024-03-03 12:00:00', '2024-03-03 13:00:00', 'stored', 'place1', 'client=odd%20cli%C3%ABnt/schema=public/table=days/dt=2024-03-03/hour=12/20240303T1200-20240303T1300.g0001.csv.gz', 1, 40, 60, '076b927d7729431731f1b645d8fbaa839528ff3f2fa2baa04c88c3fcd8457af1', '"8e28741981acdccd0edb480681108256"', '{"data": {"key": "client=odd%20cli%C3%ABnt/schema=public/table=days/dt=2024-03-03/hour=12/20240303T1200-20240303T1300.g0001.csv.gz", "bytes": 60, "sha256": "076b927d7729431731f1b645d8fbaa839528ff3f2fa2baa04c88c3fcd8457af1", "content_bytes": 40, "content_sha256": "ffb97e5dd2e28a7bff2804da1374eabd814c8614c588c1726aad21feedb157c9"}, "keys": {"key": "client=odd%20cli%C3%ABnt/schema=public/table=days/dt=2024-03-03/hour=12/_20240303T1200-20240303T1300.g0001.keys.csv.gz", "bytes": 57, "sha256": "4f0ae69d05dd2089e560c46d32fc4c849ea6628b321e3056e1b71869935046dc", "content_bytes": 37, "content_sha256": "08728ac7f1fe90175aaeb7ebc09e22660f29a05aa81f42e1627ea0b58bd548c5"}, "rows": 1, "table": "days", "token": "60c63f58021728a1", "client": "odd cliënt", "format": 2, "run_id": "a run of release 2cd6177", "server": {"read_at": "2026-11-27T03:05:47.733679Z", "version": "17.10", "database": "place1", "snapshot": "838:838:", "timeline": 1, "system_identifier": "7712682104031879779"}, "columns": [{"name": "id", "type": "integer", "number": 1}, {"name": "at", "type": "timestamp without time zone", "number": 2}, {"name": "note", "type": "text", "number": 3}], "members": {"16615": {"table": "days_3", "columns": "e8a4bf3642a4c97c9484d327bdd68b50", "file_node": 16615, "table_schema": "public"}}, "cell_end": "2024-03-03T13:00:00", "identity": "table and place in it (tableoid, ctid)", "span_end": "2024-03-03T13:00:00", "timezone": "UTC", "cell_start": "2024-03-03T12:00:00", "generation": 1, "span_start": "2024-03-03T12:00:00", "compression": "gzip", "table_schema": "public", "tool_version": "0.1.0", "timestamp_kind": "timestamp without time zone", "identity_columns": [], "timestamp_column": "at"}', 0, 0, '{}', 'a run of release 2cd6177', NULL, NULL, '2026-11-27 03:05:47.624057+00', '2026-11-27 03:05:47.789019+00', '2026-11-27 03:05:47.938015+00', NULL, NULL, NULL, NULL, '60c63f58021728a1'),
	(12, 'odd cliënt', 'public', 'days', '2024-03-03 18:00:00', '2024-03-03 19:00:00', 1, '2024-03-03 18:00:00', '2024-03-03 19:00:00', 'stored', 'place1', 'client=odd%20cli%C3%ABnt/schema=public/table=days/dt=2024-03-03/hour=18/20240303T1800-20240303T1900.g0001.csv.gz', 1, 40, 60, '34864a6d427a40f9b00049124d8f8266997fc2f9a92a4f536a70aacb289a51a1', '"37de46eb34c3f983ae5e3e0403ef5c00"', '{"data": {"key": "client=odd%20cli%C3%ABnt/schema=public/table=days/dt=2024-03-03/hour=18/20240303T1800-20240303T1900.g0001.csv.gz", "bytes": 60, "sha256": "34864a6d427a40f9b00049124d8f8266997fc2f9a92a4f536a70aacb289a51a1", "content_bytes": 40, "content_sha256": "e74fb0531eac27a2a1970afeb7ef77921415cd02b0291c6b6b974cd008881dfe"}, "keys": {"key": "client=odd%20cli%C3%ABnt/schema=public/table=days/dt=2024-03-03/hour=18/_20240303T1800-20240303T1900.g0001.keys.csv.gz", "bytes": 57, "sha256": "8d0d0d4bb485f19c9bdcb449d967792a6ac60e062e8832b886e5d18b16e3ac34", "content_bytes": 37, "content_sha256": "9c5131134d6789dd0cc9ae1fa7ed87635f12e0d64680b14a689a80dd6cf08fa2"}, "rows": 1, "table": "days", "token": "4f1ab1edfa40c275", "client": "odd cliënt", "format": 2, "run_id": "a run of release 2cd6177", "server": {"read_at": "2026-11-27T03:05:48.056609Z", "version": "17.10", "database": "place1", "snapshot": "841:841:", "timeline": 1, "system_identifier": "7712682104031879779"}, "columns": [{"name": "id", "type": "integer", "number": 1}, {"name": "at", "type": "timestamp without time zone", "number": 2}, {"name": "note", "type": "text", "number": 3}], "members": {"16615": {"table": "days_3", "columns": "e8a4bf3642a4c97c9484d327bdd68b50", "file_node": 16615, "table_schema": "public"}}, "cell_end": "2024-03-03T19:00:00", "identity": "table and place in it (tableoid, ctid)", "span_end": "2024-03-03T19:00:00", "timezone": "UTC", "cell_start": "2024-03-03T18:00:00", "generation": 1, "span_start": "2024-03-03T18:00:00", "compression": "gzip", "table_schema": "public", "tool_version": "0.1.0", "timestamp_kind": "timestamp without time zone", "identity_columns": [], "timestamp_column": "at"}', 0, 0, '{}', 'a run of release 2cd6177', NULL, NULL, '2026-11-27 03:05:47.991758+00', '2026-11-27 03:05:48.112625+00', '2026-11-27 03:05:48.24654+00', NULL, NULL, NULL, NULL, '4f1ab1edfa40c275');

INSERT INTO public.days_3 VALUES
	(0, '2024-03-03 00:00:00', 'note 0'),
	(1, '2024-03-03 06:00:00', 'note 1'),
	(2, '2024-03-03 12:00:00', 'note 2'),
	(3, '2024-03-03 18:00:00', 'note 3');

INSERT INTO public.days_4 VALUES
	(4, '2024-03-04 00:00:00', 'note 4'),
	(5, '2024-03-04 06:00:00', 'note 5'),
	(6, '2024-03-04 12:00:00', 'note 6'),
	(7, '2024-03-04 18:00:00', 'note 7');

INSERT INTO public.days_before VALUES
	(0, '2024-03-03 00:00:00', 'note 0'),
	(1, '2024-03-03 06:00:00', 'note 1'),
	(2, '2024-03-03 12:00:00', 'note 2'),
	(3, '2024-03-03 18:00:00', 'note 3'),
	(4, '2024-03-04 00:00:00', 'note 4'),
	(5, '2024-03-04 06:00:00', 'note 5'),
	(6, '2024-03-04 12:00:00', 'note 6'),
	(7, '2024-03-04 18:00:00', 'note 7');

INSERT INTO public.keyless VALUES
	('2024-03-02 02:00:00', 'ä 20', 10),
	('2024-03-02 02:00:00', NULL, 10),
	('2024-03-02 02:00:00', '', 11),
	('2024-03-02 02:00:00', 'ä 23', 11),
	('2024-03-02 02:00:00', NULL, 12),
	('2024-03-02 02:00:00', '', 12),
	('2024-03-02 02:00:00', 'ä 26', 13),
	('2024-03-02 02:00:00', NULL, 13),
	('2024-03-02 02:00:00', '', 14),
	('2024-03-02 02:00:00', 'ä 29', 14),
	('2024-03-02 00:00:00', NULL, 0),
	('2024-03-02 00:00:00', '', 0),
	('2024-03-02 00:00:00', 'ä 2', 1),
	('2024-03-02 00:00:00', NULL, 1),
	('2024-03-02 00:00:00', '', 2),
	('2024-03-02 00:00:00', 'ä 5', 2),
	('2024-03-02 00:00:00', NULL, 3),
	('2024-03-02 00:00:00', '', 3),
	('2024-03-02 00:00:00', 'ä 8', 4),
	('2024-03-02 00:00:00', NULL, 4);

INSERT INTO public.keyless_before VALUES
	('2024-03-02 00:00:00', NULL, 0),
	('2024-03-02 00:00:00', '', 0),
	('2024-03-02 00:00:00', 'ä 2', 1),
	('2024-03-02 00:00:00', NULL, 1),
	('2024-03-02 00:00:00', '', 2),
	('2024-03-02 00:00:00', 'ä 5', 2),
	('2024-03-02 00:00:00', NULL, 3),
	('2024-03-02 00:00:00', '', 3),
	('2024-03-02 00:00:00', 'ä 8', 4),
	('2024-03-02 00:00:00', NULL, 4),
	('2024-03-02 01:00:00', '', 5),
	('2024-03-02 01:00:00', 'ä 11', 5),
	('2024-03-02 01:00:00', NULL, 6),
	('2024-03-02 01:00:00', '', 6),
	('2024-03-02 01:00:00', 'ä 14', 7),
	('2024-03-02 01:00:00', NULL, 7),
	('2024-03-02 01:00:00', '', 8),
	('2024-03-02 01:00:00', 'ä 17', 8),
	('2024-03-02 01:00:00', NULL, 9),
	('2024-03-02 01:00:00', '', 9),
	('2024-03-02 02:00:00', 'ä 20', 10),
	('2024-03-02 02:00:00', NULL, 10),
	('2024-03-02 02:00:00', '', 11),
	('2024-03-02 02:00:00', 'ä 23', 11),
	('2024-03-02 02:00:00', NULL, 12),
	('2024-03-02 02:00:00', '', 12),
	('2024-03-02 02:00:00', 'ä 26', 13),
	('2024-03-02 02:00:00', NULL, 13),
	('2024-03-02 02:00:00', '', 14),
	('2024-03-02 02:00:00', 'ä 29', 14);

INSERT INTO public.odd_before VALUES
	(0, 'label 0', '2024-03-01 00:00:00+00', 0.000000, '{"a": [0, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 0),
	(1, 'label 1', '2024-03-01 00:01:00+00', 0.142857, '{"a": [1, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 0.3333333333333333),
	(2, 'label 2', '2024-03-01 00:02:00+00', 0.285714, '{"a": [2, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 0.6666666666666666),
	(3, 'label 3', '2024-03-01 00:03:00+00', 0.428571, '{"a": [3, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 1),
	(4, 'label 4', '2024-03-01 00:04:00+00', 0.571429, '{"a": [4, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 1.3333333333333333),
	(5, 'label 5', '2024-03-01 00:05:00+00', 0.714286, '{"a": [5, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 1.6666666666666667),
	(6, 'label 6', '2024-03-01 00:06:00+00', 0.857143, '{"a": [6, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 2),
	(7, 'label 7', '2024-03-01 00:07:00+00', 1.000000, '{"a": [7, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 2.3333333333333335),
	(8, 'label 8', '2024-03-01 00:08:00+00', 1.142857, '{"a": [8, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 2.6666666666666665),
	(9, 'label 9', '2024-03-01 00:09:00+00', 1.285714, '{"a": [9, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 3),
	(10, 'label 10', '2024-03-01 00:10:00+00', 1.428571, '{"a": [10, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 3.3333333333333335),
	(11, 'label 11', '2024-03-01 00:11:00+00', 1.571429, '{"a": [11, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 3.6666666666666665),
	(12, 'label 12', '2024-03-01 00:12:00+00', 1.714286, '{"a": [12, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 4),
	(13, 'label 13', '2024-03-01 00:13:00+00', 1.857143, '{"a": [13, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 4.333333333333333),
	(14, 'label 14', '2024-03-01 00:14:00+00', 2.000000, '{"a": [14, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 4.666666666666667),
	(15, 'label 15', '2024-03-01 00:15:00+00', 2.142857, '{"a": [15, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 5),
	(16, 'label 16', '2024-03-01 00:16:00+00', 2.285714, '{"a": [16, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 5.333333333333333),
	(17, 'label 17', '2024-03-01 00:17:00+00', 2.428571, '{"a": [17, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 5.666666666666667),
	(18, 'label 18', '2024-03-01 00:18:00+00', 2.571429, '{"a": [18, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 6),
	(19, 'label 19', '2024-03-01 00:19:00+00', 2.714286, '{"a": [19, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 6.333333333333333),
	(20, 'label 20', '2024-03-01 00:20:00+00', 2.857143, '{"a": [20, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 6.666666666666667),
	(21, 'label 21', '2024-03-01 00:21:00+00', 3.000000, '{"a": [21, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 7),
	(22, 'label 22', '2024-03-01 00:22:00+00', 3.142857, '{"a": [22, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 7.333333333333333),
	(23, 'label 23', '2024-03-01 00:23:00+00', 3.285714, '{"a": [23, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 7.666666666666667),
	(24, 'label 24', '2024-03-01 00:24:00+00', 3.428571, '{"a": [24, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 8),
	(25, 'label 25', '2024-03-01 01:00:00+00', 3.571429, '{"a": [25, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 8.333333333333334),
	(26, 'label 26', '2024-03-01 01:01:00+00', 3.714286, '{"a": [26, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 8.666666666666666),
	(27, 'label 27', '2024-03-01 01:02:00+00', 3.857143, '{"a": [27, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 9),
	(28, 'label 28', '2024-03-01 01:03:00+00', 4.000000, '{"a": [28, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 9.333333333333334),
	(29, 'label 29', '2024-03-01 01:04:00+00', 4.142857, '{"a": [29, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 9.666666666666666),
	(32, 'label 32', '2024-03-01 01:07:00+00', 4.571429, '{"a": [32, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 10.666666666666666),
	(33, 'label 33', '2024-03-01 01:08:00+00', 4.714286, '{"a": [33, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 11),
	(34, 'label 34', '2024-03-01 01:09:00+00', 4.857143, '{"a": [34, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 11.333333333333334),
	(35, 'label 35', '2024-03-01 01:10:00+00', 5.000000, '{"a": [35, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 11.666666666666666),
	(36, 'label 36', '2024-03-01 01:11:00+00', 5.142857, '{"a": [36, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 12),
	(37, 'label 37', '2024-03-01 01:12:00+00', 5.285714, '{"a": [37, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 12.333333333333334),
	(38, 'label 38', '2024-03-01 01:13:00+00', 5.428571, '{"a": [38, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 12.666666666666666),
	(39, 'label 39', '2024-03-01 01:14:00+00', 5.571429, '{"a": [39, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 13),
	(40, 'label 40', '2024-03-01 01:15:00+00', 5.714286, '{"a": [40, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 13.333333333333334),
	(41, 'label 41', '2024-03-01 01:16:00+00', 5.857143, '{"a": [41, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 13.666666666666666),
	(42, 'label 42', '2024-03-01 01:17:00+00', 6.000000, '{"a": [42, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 14),
	(43, 'label 43', '2024-03-01 01:18:00+00', 6.142857, '{"a": [43, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 14.333333333333334),
	(44, 'label 44', '2024-03-01 01:19:00+00', 6.285714, '{"a": [44, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 14.666666666666666),
	(45, 'label 45', '2024-03-01 01:20:00+00', 6.428571, '{"a": [45, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 15),
	(46, 'label 46', '2024-03-01 01:21:00+00', 6.571429, '{"a": [46, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 15.333333333333334),
	(47, 'label 47', '2024-03-01 01:22:00+00', 6.714286, '{"a": [47, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 15.666666666666666),
	(48, 'label 48', '2024-03-01 01:23:00+00', 6.857143, '{"a": [48, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 16),
	(49, 'label 49', '2024-03-01 01:24:00+00', 7.000000, '{"a": [49, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 16.333333333333332),
	(50, 'label 50', '2024-03-01 02:00:00+00', 7.142857, '{"a": [50, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 16.666666666666668),
	(51, 'label 51', '2024-03-01 02:01:00+00', 7.285714, '{"a": [51, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 17),
	(52, 'label 52', '2024-03-01 02:02:00+00', 7.428571, '{"a": [52, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 17.333333333333332),
	(53, 'label 53', '2024-03-01 02:03:00+00', 7.571429, '{"a": [53, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 17.666666666666668),
	(54, 'label 54', '2024-03-01 02:04:00+00', 7.714286, '{"a": [54, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 18),
	(56, 'label 56', '2024-03-01 02:06:00+00', 8.000000, '{"a": [56, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 18.666666666666668),
	(57, 'label 57', '2024-03-01 02:07:00+00', 8.142857, '{"a": [57, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 19),
	(58, 'label 58', '2024-03-01 02:08:00+00', 8.285714, '{"a": [58, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 19.333333333333332),
	(59, 'label 59', '2024-03-01 02:09:00+00', 8.428571, '{"a": [59, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 19.666666666666668),
	(60, 'label 60', '2024-03-01 02:10:00+00', 8.571429, '{"a": [60, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 20),
	(61, 'label 61', '2024-03-01 02:11:00+00', 8.714286, '{"a": [61, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 20.333333333333332),
	(62, 'label 62', '2024-03-01 02:12:00+00', 8.857143, '{"a": [62, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 20.666666666666668),
	(63, 'label 63', '2024-03-01 02:13:00+00', 9.000000, '{"a": [63, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 21),
	(64, 'label 64', '2024-03-01 02:14:00+00', 9.142857, '{"a": [64, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 21.333333333333332),
	(65, 'label 65', '2024-03-01 02:15:00+00', 9.285714, '{"a": [65, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 21.666666666666668),
	(66, 'label 66', '2024-03-01 02:16:00+00', 9.428571, '{"a": [66, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 22),
	(67, 'label 67', '2024-03-01 02:17:00+00', 9.571429, '{"a": [67, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 22.333333333333332),
	(68, 'label 68', '2024-03-01 02:18:00+00', 9.714286, '{"a": [68, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 22.666666666666668),
	(69, 'label 69', '2024-03-01 02:19:00+00', 9.857143, '{"a": [69, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 23),
	(70, 'label 70', '2024-03-01 02:20:00+00', 10.000000, '{"a": [70, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 23.333333333333332),
	(71, 'label 71', '2024-03-01 02:21:00+00', 10.142857, '{"a": [71, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 23.666666666666668),
	(72, 'label 72', '2024-03-01 02:22:00+00', 10.285714, '{"a": [72, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 24),
	(73, 'label 73', '2024-03-01 02:23:00+00', 10.428571, '{"a": [73, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 24.333333333333332),
	(74, 'label 74', '2024-03-01 02:24:00+00', 10.571429, '{"a": [74, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 24.666666666666668),
	(75, 'label 75', '2024-03-01 03:00:00+00', 10.714286, '{"a": [75, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 25),
	(76, 'label 76', '2024-03-01 03:01:00+00', 10.857143, '{"a": [76, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 25.333333333333332),
	(77, 'label 77', '2024-03-01 03:02:00+00', 11.000000, '{"a": [77, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 25.666666666666668),
	(78, 'label 78', '2024-03-01 03:03:00+00', 11.142857, '{"a": [78, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 26),
	(79, 'label 79', '2024-03-01 03:04:00+00', 11.285714, '{"a": [79, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 26.333333333333332),
	(80, 'label 80', '2024-03-01 03:05:00+00', 11.428571, '{"a": [80, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 26.666666666666668),
	(81, 'label 81', '2024-03-01 03:06:00+00', 11.571429, '{"a": [81, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 27),
	(82, 'label 82', '2024-03-01 03:07:00+00', 11.714286, '{"a": [82, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 27.333333333333332),
	(83, 'label 83', '2024-03-01 03:08:00+00', 11.857143, '{"a": [83, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 27.666666666666668),
	(84, 'label 84', '2024-03-01 03:09:00+00', 12.000000, '{"a": [84, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 28),
	(85, 'label 85', '2024-03-01 03:10:00+00', 12.142857, '{"a": [85, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 28.333333333333332),
	(86, 'label 86', '2024-03-01 03:11:00+00', 12.285714, '{"a": [86, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 28.666666666666668),
	(87, 'label 87', '2024-03-01 03:12:00+00', 12.428571, '{"a": [87, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 29),
	(88, 'label 88', '2024-03-01 03:13:00+00', 12.571429, '{"a": [88, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 29.333333333333332),
	(89, 'label 89', '2024-03-01 03:14:00+00', 12.714286, '{"a": [89, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 29.666666666666668),
	(90, 'label 90', '2024-03-01 03:15:00+00', 12.857143, '{"a": [90, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 30),
	(91, 'label 91', '2024-03-01 03:16:00+00', 13.000000, '{"a": [91, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 30.333333333333332),
	(92, 'label 92', '2024-03-01 03:17:00+00', 13.142857, '{"a": [92, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 30.666666666666668),
	(93, 'label 93', '2024-03-01 03:18:00+00', 13.285714, '{"a": [93, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 31),
	(94, 'label 94', '2024-03-01 03:19:00+00', 13.428571, '{"a": [94, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 31.333333333333332),
	(95, 'label 95', '2024-03-01 03:20:00+00', 13.571429, '{"a": [95, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 31.666666666666668),
	(96, 'label 96', '2024-03-01 03:21:00+00', 13.714286, '{"a": [96, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 32),
	(97, 'label 97', '2024-03-01 03:22:00+00', 13.857143, '{"a": [97, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 32.333333333333336),
	(98, 'label 98', '2024-03-01 03:23:00+00', 14.000000, '{"a": [98, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 32.666666666666664),
	(99, 'label 99', '2024-03-01 03:24:00+00', 14.142857, '{"a": [99, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 33),
	(100, 'label 100', '2024-03-01 04:00:00+00', 14.285714, '{"a": [100, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 33.333333333333336),
	(101, 'label 101', '2024-03-01 04:01:00+00', 14.428571, '{"a": [101, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 33.666666666666664),
	(102, 'label 102', '2024-03-01 04:02:00+00', 14.571429, '{"a": [102, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 34),
	(103, 'label 103', '2024-03-01 04:03:00+00', 14.714286, '{"a": [103, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 34.333333333333336),
	(104, 'label 104', '2024-03-01 04:04:00+00', 14.857143, '{"a": [104, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 34.666666666666664),
	(105, 'label 105', '2024-03-01 04:05:00+00', 15.000000, '{"a": [105, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 35),
	(106, 'label 106', '2024-03-01 04:06:00+00', 15.142857, '{"a": [106, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 35.333333333333336),
	(107, 'label 107', '2024-03-01 04:07:00+00', 15.285714, '{"a": [107, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 35.666666666666664),
	(108, 'label 108', '2024-03-01 04:08:00+00', 15.428571, '{"a": [108, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 36),
	(109, 'label 109', '2024-03-01 04:09:00+00', 15.571429, '{"a": [109, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 36.333333333333336),
	(110, 'label 110', '2024-03-01 04:10:00+00', 15.714286, '{"a": [110, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 36.666666666666664),
	(111, 'label 111', '2024-03-01 04:11:00+00', 15.857143, '{"a": [111, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 37),
	(112, 'label 112', '2024-03-01 04:12:00+00', 16.000000, '{"a": [112, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 37.333333333333336),
	(113, 'label 113', '2024-03-01 04:13:00+00', 16.142857, '{"a": [113, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 37.666666666666664),
	(114, 'label 114', '2024-03-01 04:14:00+00', 16.285714, '{"a": [114, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 38),
	(115, 'label 115', '2024-03-01 04:15:00+00', 16.428571, '{"a": [115, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 38.333333333333336),
	(116, 'label 116', '2024-03-01 04:16:00+00', 16.571429, '{"a": [116, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 38.666666666666664),
	(117, 'label 117', '2024-03-01 04:17:00+00', 16.714286, '{"a": [117, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 39),
	(118, 'label 118', '2024-03-01 04:18:00+00', 16.857143, '{"a": [118, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 39.333333333333336),
	(119, 'label 119', '2024-03-01 04:19:00+00', 17.000000, '{"a": [119, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 39.666666666666664),
	(120, 'label 120', '2024-03-01 04:20:00+00', 17.142857, '{"a": [120, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 40),
	(121, 'label 121', '2024-03-01 04:21:00+00', 17.285714, '{"a": [121, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 40.333333333333336),
	(122, 'label 122', '2024-03-01 04:22:00+00', 17.428571, '{"a": [122, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 40.666666666666664),
	(123, 'label 123', '2024-03-01 04:23:00+00', 17.571429, '{"a": [123, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 41),
	(124, 'label 124', '2024-03-01 04:24:00+00', 17.714286, '{"a": [124, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 41.333333333333336),
	(125, 'label 125', '2024-03-01 05:00:00+00', 17.857143, '{"a": [125, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 41.666666666666664),
	(126, 'label 126', '2024-03-01 05:01:00+00', 18.000000, '{"a": [126, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 42),
	(127, 'label 127', '2024-03-01 05:02:00+00', 18.142857, '{"a": [127, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 42.333333333333336),
	(128, 'label 128', '2024-03-01 05:03:00+00', 18.285714, '{"a": [128, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 42.666666666666664),
	(129, 'label 129', '2024-03-01 05:04:00+00', 18.428571, '{"a": [129, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 43),
	(130, 'label 130', '2024-03-01 05:05:00+00', 18.571429, '{"a": [130, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 43.333333333333336),
	(131, 'label 131', '2024-03-01 05:06:00+00', 18.714286, '{"a": [131, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 43.666666666666664),
	(132, 'label 132', '2024-03-01 05:07:00+00', 18.857143, '{"a": [132, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 44),
	(133, 'label 133', '2024-03-01 05:08:00+00', 19.000000, '{"a": [133, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 44.333333333333336),
	(134, 'label 134', '2024-03-01 05:09:00+00', 19.142857, '{"a": [134, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 44.666666666666664),
	(135, 'label 135', '2024-03-01 05:10:00+00', 19.285714, '{"a": [135, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 45),
	(136, 'label 136', '2024-03-01 05:11:00+00', 19.428571, '{"a": [136, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 45.333333333333336),
	(137, 'label 137', '2024-03-01 05:12:00+00', 19.571429, '{"a": [137, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 45.666666666666664),
	(138, 'label 138', '2024-03-01 05:13:00+00', 19.714286, '{"a": [138, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 46),
	(139, 'label 139', '2024-03-01 05:14:00+00', 19.857143, '{"a": [139, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 46.333333333333336),
	(140, 'label 140', '2024-03-01 05:15:00+00', 20.000000, '{"a": [140, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 46.666666666666664),
	(141, 'label 141', '2024-03-01 05:16:00+00', 20.142857, '{"a": [141, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 47),
	(142, 'label 142', '2024-03-01 05:17:00+00', 20.285714, '{"a": [142, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 47.333333333333336),
	(143, 'label 143', '2024-03-01 05:18:00+00', 20.428571, '{"a": [143, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 47.666666666666664),
	(144, 'label 144', '2024-03-01 05:19:00+00', 20.571429, '{"a": [144, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 48),
	(145, 'label 145', '2024-03-01 05:20:00+00', 20.714286, '{"a": [145, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 48.333333333333336),
	(146, 'label 146', '2024-03-01 05:21:00+00', 20.857143, '{"a": [146, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 48.666666666666664),
	(147, 'label 147', '2024-03-01 05:22:00+00', 21.000000, '{"a": [147, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, false, '2024-02-29', '\x00ff', '1 day 02:03:04', 49),
	(148, 'label 148', '2024-03-01 05:23:00+00', 21.142857, '{"a": [148, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', true, '2024-02-29', '\x00ff', '1 day 02:03:04', 49.333333333333336),
	(149, 'label 149', '2024-03-01 05:24:00+00', 21.285714, '{"a": [149, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', 'two
lines, "quoted"', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 49.666666666666664),
	(30, 'label 30', '2024-03-01 01:05:00+00', -1.000000, '{"a": [30, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', NULL, true, '2024-02-29', '\x00ff', '1 day 02:03:04', 10),
	(31, 'label 31', '2024-03-01 01:06:00+00', -1.000000, '{"a": [31, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 10.333333333333334),
	(55, 'label 55', '2024-03-01 02:05:00+00', -1.000000, '{"a": [55, null], "ü": "\""}', '{x,NULL,"","a,\"b\""}', '', false, '2024-02-29', '\x00ff', '1 day 02:03:04', 18.333333333333332);

SELECT pg_catalog.setval('archiver.maintenance_id_seq', 1, false);

SELECT pg_catalog.setval('archiver.partitions_id_seq', 1, true);

SELECT pg_catalog.setval('archiver.restores_id_seq', 1, true);

SELECT pg_catalog.setval('archiver.windows_id_seq', 12, true);

ALTER TABLE ONLY "Odd schema"."Odd ""table"" ä/%"
    ADD CONSTRAINT "Odd ""table"" ä/%_pkey" PRIMARY KEY (id, "the label");

ALTER TABLE ONLY archiver.lowest_version
    ADD CONSTRAINT lowest_version_pkey PRIMARY KEY (single);

ALTER TABLE ONLY archiver.maintenance
    ADD CONSTRAINT maintenance_pkey PRIMARY KEY (id);

ALTER TABLE ONLY archiver.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (number);

ALTER TABLE ONLY archiver.owners
    ADD CONSTRAINT owners_pkey PRIMARY KEY (client, bucket, prefix, number);

ALTER TABLE ONLY archiver.partitions
    ADD CONSTRAINT partitions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY archiver.restore_targets
    ADD CONSTRAINT restore_targets_pkey PRIMARY KEY (target_oid);

ALTER TABLE ONLY archiver.restores
    ADD CONSTRAINT restores_pkey PRIMARY KEY (id);

ALTER TABLE ONLY archiver.windows
    ADD CONSTRAINT windows_bucket_object_key_key UNIQUE (bucket, object_key);

ALTER TABLE ONLY archiver.windows
    ADD CONSTRAINT windows_client_table_schema_table_name_cell_start_cell_end__key UNIQUE (client, table_schema, table_name, cell_start, cell_end, generation);

ALTER TABLE archiver.windows
    ADD CONSTRAINT windows_kept CHECK (((kept IS NOT NULL) OR (kept_positions IS NOT NULL))) NOT VALID;

ALTER TABLE ONLY archiver.windows
    ADD CONSTRAINT windows_pkey PRIMARY KEY (id);

CREATE INDEX "Odd ""table"" ä/%_at %_idx" ON "Odd schema"."Odd ""table"" ä/%" USING btree ("at %");

CREATE INDEX restores_holds ON archiver.restores USING btree (table_schema, table_name, hold_until) WHERE (hold_until IS NOT NULL);

CREATE INDEX restores_names ON archiver.restores USING btree ("substring"(object_key, '[^/]+$'::text));

CREATE INDEX restores_objects ON archiver.restores USING btree (bucket, object_key, target_oid);

CREATE INDEX windows_open ON archiver.windows USING btree (client, table_schema, table_name, cell_start) WHERE (state = ANY (ARRAY['planned'::text, 'exported'::text, 'stored'::text]));

CREATE INDEX days_3_at_idx ON public.days_3 USING btree (at);

CREATE INDEX days_at_idx ON ONLY public.days USING btree (at);

CREATE INDEX days_4_at_idx ON public.days_4 USING btree (at);

ALTER INDEX public.days_at_idx ATTACH PARTITION public.days_4_at_idx;

CREATE TRIGGER refuse_older_programs BEFORE INSERT OR UPDATE ON archiver.partitions FOR EACH ROW EXECUTE FUNCTION archiver.refuse_programs_older_than_this_ledger();

CREATE TRIGGER refuse_older_programs BEFORE INSERT ON archiver.restores FOR EACH ROW EXECUTE FUNCTION archiver.refuse_programs_older_than_this_ledger();

CREATE TRIGGER refuse_older_programs BEFORE INSERT OR UPDATE ON archiver.windows FOR EACH ROW EXECUTE FUNCTION archiver.refuse_programs_older_than_this_ledger();

