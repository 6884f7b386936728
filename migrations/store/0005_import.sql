-- Imports of SQLite files, from the first look to the proof. Rows stay, as jobs do.
create table imports (
    id uuid primary key,
    target text not null,
    -- The file on the console's machine, and the name that is shown.
    path text not null,
    name text not null,
    -- The upload it came from.
    upload uuid,
    state text not null default 'inspecting' check (state in ('inspecting', 'ready', 'loading', 'done')),
    -- Its last job.
    job uuid references jobs on delete set null,
    -- What was found in the file, and how its tables lie in it.
    inspected jsonb,
    -- What the user decided.
    mapping jsonb not null,
    -- What an import with these decisions would do, when every statement was last tried.
    rehearsal jsonb,
    -- What a load does: fixed when it starts, so that a run after an interruption does the same.
    plan jsonb,
    report jsonb,
    created_by text not null,
    created_at timestamptz not null default clock_timestamp(),
    check ((state = 'inspecting') <= (plan is null)),
    check ((state in ('ready', 'loading', 'done')) <= (inspected is not null)),
    check ((state in ('loading', 'done')) <= (plan is not null)),
    check ((state = 'done') <= (report is not null))
);

create index imports_newest on imports (target, created_at desc);
