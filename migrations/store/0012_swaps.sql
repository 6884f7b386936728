-- Swaps, written down before the server is asked to make one: a process that dies in the middle of it is cleaned up after by
-- looking at which of the two databases has the name.
create table swaps (
    job uuid primary key references jobs,
    -- The database that had the name, and the one that gets it by its number on the same server.
    outgoing bigint not null references databases,
    incoming_oid bigint not null,
    target text not null,
    -- The name that changes hands, what the incoming one was called before, and what the outgoing one is called afterwards.
    live_name text not null,
    coming_name text not null,
    kept_name text not null,
    -- `begun` until it is known what came of it.
    state text not null default 'begun' check (state in ('begun', 'swapped', 'undone')),
    begun_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    check ((state = 'begun') = (ended_at is null))
);

create index swaps_by_outgoing on swaps (outgoing, begun_at desc);
create index swaps_begun on swaps (target) where state = 'begun';

-- Databases that were live until a swap, and lie beside the live one until an administrator drops them.
create table kept_databases (
    database_id bigint primary key references databases,
    -- The live one now.
    live bigint not null references databases,
    name text not null,
    -- When it stopped being the live one, and by which swap.
    since timestamptz not null default clock_timestamp(),
    swap uuid not null references swaps
);

create index kept_databases_by_live on kept_databases (live, since desc);
