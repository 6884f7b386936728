-- user_id is a foreign key, and AI-PAL writes rows for users who have no profile yet. So a profile with defaults is made
-- just before such a row. The look before the insert is on purpose: an insert that ends in `do nothing` takes a number
-- from user_profiles.id all the same, and two billion rows elsewhere would use them up.
create function ensure_user_profile() returns trigger
language plpgsql
security invoker
set search_path = public, pg_temp
as $$
begin
    if new.user_id is not null
       and not exists (select from user_profiles where user_id = new.user_id)
    then
        insert into user_profiles (user_id)
        values (new.user_id)
        on conflict (user_id) do nothing;
    end if;
    return new;
end
$$;

comment on function ensure_user_profile() is 'Creates the profile that a new row names when it is missing.';

create trigger ensure_user_profile
before insert on ari_snapshots
for each row execute function ensure_user_profile();

create trigger ensure_user_profile
before insert on edm_debts
for each row execute function ensure_user_profile();

create trigger ensure_user_profile
before insert on ffe_goals
for each row execute function ensure_user_profile();

create trigger ensure_user_profile
before insert on atomic_blocks
for each row execute function ensure_user_profile();

create trigger ensure_user_profile
before insert on progress_tapestry
for each row execute function ensure_user_profile();

create trigger ensure_user_profile
before insert on momentum_history
for each row execute function ensure_user_profile();

create trigger ensure_user_profile
before insert on background_tasks
for each row execute function ensure_user_profile();

create trigger ensure_user_profile
before insert on audit_logs
for each row execute function ensure_user_profile();
