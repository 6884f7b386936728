-- What was measured of managed databases over time. One row is one step of one subject: the database itself (''), or one of
-- its tables (its quoted name). The places in the arrays are those of engine/src/history/metric.rs and are never given to
-- anything else. A value is sum / weight: of a counter what was counted by the seconds that it took, of a gauge the values
-- by their number; so that steps are rolled up by adding. `peaks` has the highest single value.
create table history (
    database_id bigint not null references databases on delete cascade,
    subject text not null,
    -- 60, 600 or 86400.
    step_s integer not null check (step_s in (60, 600, 86400)),
    at timestamptz not null,
    sums double precision[] not null,
    weights real[] not null,
    peaks real[] not null,
    primary key (database_id, subject, step_s, at)
);

-- For rolling up and for removing what is too old.
create index history_by_time on history (step_s, at);

-- Whose turn it was: of several consoles one takes the snapshot of a minute. The last snapshot stays, to be compared with
-- the next one.
create table history_turns (
    database_id bigint primary key references databases on delete cascade,
    minute timestamptz not null,
    -- When the last snapshot was taken, by the store's clock, and why the last attempt failed if it did.
    sampled_at timestamptz,
    trouble text,
    snapshot jsonb,
    tables jsonb
);

-- What happened to a database apart from jobs.
create table history_marks (
    id bigint generated always as identity primary key,
    database_id bigint not null references databases on delete cascade,
    at timestamptz not null,
    kind text not null check (kind in ('deployment', 'restart')),
    label text not null,
    told_by text not null,
    unique (database_id, kind, at, label)
);
