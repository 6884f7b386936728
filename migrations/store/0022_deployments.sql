-- Deployments that somebody told of: what the label of a mark is made of, and a page about it elsewhere.
alter table history_marks
    add column version text,
    add column note text,
    add column link text,
    add column told_at timestamptz not null default clock_timestamp();

-- Tokens with which programs tell of deployments. A revoked one is removed; the audit log keeps what was done with it.
create table deploy_tokens (
    id uuid primary key,
    name text not null
        constraint deploy_tokens_name_form check (name ~ '^[A-Za-z0-9._@-]{1,64}$'),
    -- The managed database that it is for, by its name; null: any.
    target text,
    -- A keyed hash under the token's own 32 random bytes, so that nothing here makes a token.
    hash bytea not null
        constraint deploy_tokens_hash_size check (octet_length(hash) = 32),
    made_by text not null,
    made_at timestamptz not null default clock_timestamp(),
    used_at timestamptz,
    used_from text
);

create unique index deploy_tokens_name_key on deploy_tokens (lower(name));
