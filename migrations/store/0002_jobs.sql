-- Work that outlives a request. Rows and their log are kept after the end.
create table jobs (
    id uuid primary key,
    kind text not null,
    -- The managed database it works on, by name; null for work on none.
    target text,
    title text not null,
    spec jsonb not null,
    state text not null default 'queued'
        check (state in ('queued', 'running', 'cancelling', 'succeeded', 'failed', 'cancelled', 'interrupted')),
    -- Whether no other exclusive job may run on the same target.
    exclusive boolean not null,
    progress jsonb not null,
    fault jsonb,
    outcome text,
    created_by text not null,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    -- The process that has it: the key of the advisory lock which that process holds while it lives.
    worker bigint,
    heartbeat_at timestamptz,
    -- Set when the first worker died: whoever cleans up ends the job as interrupted.
    abandoned boolean not null default false,
    cancelled_by text,
    version bigint not null default 1,
    check ((state in ('running', 'cancelling')) <= (worker is not null)),
    check ((state in ('succeeded', 'failed', 'cancelled', 'interrupted')) = (finished_at is not null))
);

-- Two exclusive jobs never run on one target, whatever the processes do.
create unique index jobs_one_at_work_per_target on jobs (target)
    where exclusive and state in ('running', 'cancelling');

-- A second click on the same button finds the first job instead of making another one.
create unique index jobs_one_waiting_per_kind on jobs (target, kind)
    where exclusive and state in ('queued', 'running', 'cancelling');

create index jobs_newest on jobs (created_at desc, id desc);
create index jobs_newest_by_target on jobs (target, created_at desc, id desc);
create index jobs_live on jobs (created_at) where state in ('queued', 'running', 'cancelling');

create table job_log (
    job uuid not null references jobs on delete cascade,
    number bigint not null,
    at timestamptz not null default clock_timestamp(),
    level text not null check (level in ('info', 'warn', 'error')),
    text text not null,
    primary key (job, number)
);
