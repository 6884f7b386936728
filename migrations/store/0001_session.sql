-- Users of the console.
create table users (
    id uuid primary key,
    name text not null
        constraint users_name_form check (name ~ '^[A-Za-z0-9._@-]{1,64}$'),
    role text not null
        constraint users_role_known check (role in ('viewer', 'operator', 'administrator')),
    password_hash text not null
        constraint users_password_is_hashed check (password_hash like '$argon2id$%'),
    -- Until then nothing but the change is allowed.
    must_change_password boolean not null,
    disabled boolean not null default false,
    created_at timestamptz not null default now(),
    last_login_at timestamptz
);

-- "Ada" and "ada" are one user.
create unique index users_name_key on users (lower(name));

-- Log-ins. The id is the `jti` of the access tokens.
create table sessions (
    id uuid primary key,
    user_id uuid not null references users (id) on delete cascade,
    created_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    absolute_expires_at timestamptz not null,
    -- A refresh token is a keyed hash of id, generation and seed, so that neither this table nor the signing key alone
    -- makes one, and any older token of this session is known for what it is.
    refresh_seed bytea not null
        constraint sessions_seed_size check (octet_length(refresh_seed) = 32),
    refresh_generation integer not null default 0,
    rotated_at timestamptz not null default now(),
    address text,
    ended_at timestamptz,
    end_reason text
        constraint sessions_end_reason_known check (
            end_reason in ('logged_out', 'ended_by_user', 'password_changed', 'user_changed', 'refresh_reused')
        ),
    constraint sessions_end_has_reason check ((ended_at is null) = (end_reason is null))
);

create index sessions_open_by_user on sessions (user_id) where ended_at is null;
create index sessions_by_expiry on sessions (absolute_expires_at);

-- The one definition of a live session: not ended, seen within 30 minutes, not older than its absolute limit.
create view live_sessions as
select id, user_id, created_at, last_seen_at, absolute_expires_at, address
from sessions
where ended_at is null
    and last_seen_at > now() - interval '30 minutes'
    and absolute_expires_at > now();

-- Tries to prove a password, for the limits per account and per network; kept for a day.
create table login_attempts (
    id bigint generated always as identity primary key,
    -- The clock and not the transaction's start: tries queue for a lock before they are counted.
    at timestamptz not null default clock_timestamp(),
    -- The name as it was typed, in lower case, whether or not there is such a user.
    account text not null,
    -- The address, or an IPv6 client's /64, as text; null without a network.
    network text,
    -- `pending` while the password is being hashed; it counts as failed, so that tries at once cannot slip through.
    outcome text not null
        constraint login_attempts_outcome_known check (outcome in ('pending', 'failed', 'succeeded', 'denied'))
);

create index login_attempts_by_account on login_attempts (account, at);
create index login_attempts_by_network on login_attempts (network, at);
create index login_attempts_by_time on login_attempts (at);
