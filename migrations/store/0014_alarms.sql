-- What was wrong with backups that are taken by themselves, and who was told. An incident is open until it is seen no more.
create table alarms (
    id bigint generated always as identity primary key,
    target text not null,
    -- The key of the finding.
    key text not null,
    level text not null check (level in ('note', 'warning', 'urgent')),
    words text not null,
    evidence text,
    remedy text not null,
    opened_at timestamptz not null default clock_timestamp(),
    resolved_at timestamptz
);

-- Told once: a finding that is open already opens no other incident.
create unique index alarms_open on alarms (target, key) where resolved_at is null;
create index alarms_newest on alarms (target, opened_at desc);

-- One row for each message that goes out; whoever sends it takes it until `next_at`.
create table alarm_messages (
    alarm bigint not null references alarms on delete cascade,
    channel text not null check (channel in ('mail', 'webhook')),
    resolved boolean not null,
    attempts integer not null default 0,
    next_at timestamptz not null default clock_timestamp(),
    sent_at timestamptz,
    error text,
    primary key (alarm, channel, resolved)
);

create index alarm_messages_waiting on alarm_messages (next_at) where sent_at is null;

-- Of several consoles one looks at a time.
create table alarm_watch (
    one boolean primary key default true check (one),
    looked_at timestamptz not null
);
insert into alarm_watch (looked_at) values ('-infinity');
