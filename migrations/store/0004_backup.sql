-- Stored backups: a cache of the manifests in the backup folder, brought up to date whenever it is looked at.
create table backups (
    id uuid primary key,
    target text not null,
    taken_at timestamptz not null,
    -- Size, time and number of the manifest's, the proof's and the archive's file: when they differ, the row is made anew.
    stamp text not null,
    -- What pages show.
    view jsonb not null
);

create index backups_newest on backups (target, taken_at desc);

-- Backups under way, written down before a tool starts, so that another process can end what a dead one left behind.
-- The row goes when the backup is stored or the attempt is cleaned up.
create table backup_attempts (
    job uuid primary key references jobs on delete cascade,
    target text not null,
    started_at timestamptz not null default clock_timestamp(),
    tool_version text not null,
    -- Which machine, boot and container the process numbers below belong to.
    place text not null,
    -- The console's own process, with its start time in the kernel's ticks since boot.
    console_pid integer not null,
    console_started bigint,
    -- The tool at work (also its process group), with its start time; null between two tools.
    pid integer,
    pid_started bigint
);
