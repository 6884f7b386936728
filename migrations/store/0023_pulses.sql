-- The pulse of managed databases while somebody looks: of several consoles one looks within a second, the others read what it
-- saw. Nothing of it is worth keeping over a crash of the store's server.
create unlogged table pulses (
    database_id bigint primary key references databases on delete cascade,
    -- When a console began to look, by the store's clock.
    taken_at timestamptz not null,
    -- What it saw, to be compared with the next look, and its values.
    snapshot jsonb,
    value jsonb
);
