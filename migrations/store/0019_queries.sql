-- What statements cost over time: the differences between looks at pg_stat_statements.

-- The last look at each managed database; of all consoles one takes the next.
create table query_looks (
    database_id bigint primary key references databases,
    -- Whose turn it was last.
    taken_at timestamptz not null,
    -- When counters were read last.
    looked_at timestamptz,
    -- The counters as the last look read them, to take the difference from; none before the first.
    last jsonb,
    -- Why the last look could not be taken, when it could not.
    trouble text
);

-- Texts without values, once for each statement.
create table query_texts (
    database_id bigint not null references databases,
    queryid bigint not null,
    text text not null,
    -- Whether that is all of it.
    whole boolean not null,
    -- `key=value` pairs of its comments.
    tags text[] not null,
    first_seen_at timestamptz not null,
    primary key (database_id, queryid)
);

-- Which stretches were measured. A step has so many seconds: 300, 3600 and 86400.
create table query_intervals (
    database_id bigint not null references databases,
    step integer not null check (step in (300, 3600, 86400)),
    at timestamptz not null,
    -- What it covers; longer than the step when no console looked for a while.
    since timestamptz not null,
    until timestamptz not null,
    -- Seconds of it between two looks that could be compared.
    seconds double precision not null,
    -- How often the server dropped the least used statements meanwhile; null where it does not say.
    evictions bigint,
    -- Whether counters began anew meanwhile, so that some of what ran is not in it.
    incomplete boolean not null,
    primary key (database_id, step, at)
);

-- What the statements did in a step. The queryid 0 stands for all that were not among the greatest.
create table query_deltas (
    database_id bigint not null references databases,
    step integer not null check (step in (300, 3600, 86400)),
    at timestamptz not null,
    queryid bigint not null,
    role text not null,
    -- Inside a function: its time is in the caller's too.
    nested boolean not null,
    calls bigint not null,
    total_ms double precision not null,
    rows bigint not null,
    hit bigint not null,
    read bigint not null,
    dirtied bigint not null,
    written bigint not null,
    temp bigint not null,
    wal_bytes bigint not null,
    io_ms double precision not null,
    primary key (database_id, step, at, queryid, role, nested)
);

create index query_deltas_by_statement on query_deltas (database_id, queryid, step, at);
