-- Who did what. Written in the transaction of the act; never changed afterwards.
create table audit_log (
    id bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    severity text not null check (severity in ('debug', 'info', 'warning', 'error', 'critical')),
    event_type text not null,
    user_name text,
    address text,
    target text,
    object text,
    outcome text not null check (outcome in ('started', 'success', 'failure', 'denied')),
    detail text,
    job uuid
);

-- Each filter of the page reads its newest rows from an index (keyset pages by id).
create index audit_log_by_user on audit_log (user_name, id desc);
create index audit_log_by_type on audit_log (event_type, id desc);
create index audit_log_by_severity on audit_log (severity, id desc);
create index audit_log_by_target on audit_log (target, id desc);
create index audit_log_by_time on audit_log (at, id);

create function audit_log_is_append_only() returns trigger
    language plpgsql
as $$
begin
    raise exception 'the audit log is append-only'
        using hint = 'Entries can be added and read, never changed or removed.';
end
$$;

create trigger audit_log_is_append_only
    before update or delete on audit_log
    for each row execute function audit_log_is_append_only();

create trigger audit_log_is_never_truncated
    before truncate on audit_log
    for each statement execute function audit_log_is_append_only();
