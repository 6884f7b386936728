-- What the rows are invented from: functions of a row's number that give the same answer in every run.

-- A number from 0 to below 1. The salt says what it is for, so that two columns of a row are independent.
create function pg_temp.u(n bigint, salt bigint) returns double precision
language sql immutable parallel safe
return (hashint8extended(n, salt) & 2147483647)::double precision / 2147483648;

create function pg_temp.pick(n bigint, salt bigint, options text[]) returns text
language sql immutable parallel safe
return options[1 + floor(pg_temp.u(n, salt) * cardinality(options))::integer];

-- Which of the people a row belongs to: a few are very active, most are not.
create function pg_temp.person(n bigint, salt bigint) returns bigint
language sql immutable parallel safe
return 1 + floor({users} * power(pg_temp.u(n, salt), 2.5))::bigint;

create function pg_temp.user_id(person bigint) returns text
language sql immutable parallel safe
return 'demo-user-' || lpad(person::text, 6, '0');

-- Two years up to the start of the fill, in the order of the row numbers, and busier towards the end.
create function pg_temp.moment(n bigint, total bigint) returns timestamp
language sql immutable parallel safe
return timestamp '{until}' - (1 - power(n::double precision / total, 0.6)) * interval '730 days';

create function pg_temp.id(kind text, n bigint) returns text
language sql immutable parallel safe
return md5(kind || n)::uuid::text;

-- A person's level, how it changed over time, and the day's luck, from 0 to 1.
create function pg_temp.dimension(n bigint, person bigint, age double precision, salt bigint) returns double precision
language sql immutable parallel safe
return greatest(0, least(1, 0.3 + 0.35 * pg_temp.u(person, salt)
    + 0.3 * age * (pg_temp.u(person, salt + 100) - 0.3)
    + 0.25 * (pg_temp.u(n, salt) - 0.5)));
