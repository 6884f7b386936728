-- When backups of a managed database are taken by themselves. A schedule belongs to the name in the console: whatever
-- database is adopted for it is the one to back up from then on.
create table schedules (
    target text primary key,
    -- Five fields, in this zone (IANA).
    cron text not null,
    zone text not null,
    jitter_s integer not null check (jitter_s between 0 and 86400),
    verify text not null check (verify in ('never', 'each', 'weekly')),
    alarm_hours integer not null check (alarm_hours between 1 and 8784),
    -- Due times up to here are dealt with. By the store's clock, as everything here.
    settled_until timestamptz not null,
    -- When the newest backup is to be verified next; null unless that is weekly.
    verify_at timestamptz,
    paused_by text,
    paused_at timestamptz,
    set_by text not null,
    set_at timestamptz not null,
    note text,
    check ((paused_by is null) = (paused_at is null)),
    check ((verify = 'weekly') = (verify_at is not null))
);

-- One row for each due time that was dealt with: two consoles meet here, and one of them begins it. Outlives its
-- schedule.
create table schedule_runs (
    target text not null,
    due_at timestamptz not null,
    begun_at timestamptz not null,
    -- What is going on: the backup, its verification, the removal of old ones; `over` also when nothing was begun.
    stage text not null check (stage in ('backup', 'verify', 'prune', 'over')),
    -- Null when it could not be begun, or one was under way already.
    job uuid references jobs,
    skipped boolean not null default false,
    verify_job uuid references jobs,
    prune_job uuid references jobs,
    note text,
    primary key (target, due_at)
);

create index schedule_runs_going_on on schedule_runs (target) where stage <> 'over';

-- Which backups of a managed database are kept; 0 is no rule, and without any rule every backup is kept.
create table retention (
    target text primary key,
    keep_last integer not null check (keep_last >= 0),
    keep_days integer not null check (keep_days >= 0),
    keep_hourly integer not null check (keep_hourly >= 0),
    keep_daily integer not null check (keep_daily >= 0),
    keep_weekly integer not null check (keep_weekly >= 0),
    keep_monthly integer not null check (keep_monthly >= 0),
    keep_yearly integer not null check (keep_yearly >= 0),
    -- Where days, weeks, months and years begin (IANA).
    zone text not null,
    set_by text not null,
    set_at timestamptz not null,
    -- The last run, by the store's clock: a clock that shows an earlier time has gone back.
    ran_at timestamptz
);
