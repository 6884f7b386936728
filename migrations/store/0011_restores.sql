-- Databases that were restored from a backup, or are being: written down before anything is made on the server.
create table restores (
    job uuid primary key references jobs,
    backup uuid not null,
    -- The instant whose state the backup holds.
    taken_at timestamptz not null,
    -- The database whose backup it is, on whose server the new one is made, and what that was called then.
    database_id bigint not null references databases,
    target text not null,
    -- The new database: its name now, the one it is to get, and its number on its server once it is made.
    name text not null,
    wanted_name text not null,
    oid bigint,
    state text not null default 'making'
        check (state in ('making', 'partial', 'ready', 'live', 'gone')),
    started_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    -- What came of it, once it is ready.
    report jsonb,
    check (state <> 'ready' or (oid is not null and report is not null))
);

create index restores_by_database on restores (database_id, started_at desc);
