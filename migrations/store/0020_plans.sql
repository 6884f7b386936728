-- Plans of statements that were asked for or pasted. They belong to the database, not to its name. The newest are kept, so
-- many that engine/src/explain says; what is older goes when a newer one comes.
create table plans (
    id uuid primary key,
    database_id bigint not null references databases on delete cascade,
    made_at timestamptz not null default clock_timestamp(),
    made_by text not null,
    mode text not null check (mode in ('plain', 'generic', 'analyze', 'pasted')),
    -- The statement as it was written, and its number, which does not depend on its values.
    statement text,
    statement_hash text not null,
    -- Parameters, notes, the plan and what is said about it: see contract/src/explain.rs.
    parameters jsonb not null,
    notes text[] not null,
    plan jsonb not null,
    remarks jsonb not null
);

create index plans_newest on plans (database_id, made_at desc);
