insert into edm_debts (
    debt_id, user_id, timestamp, claim, debt_type, severity, confidence_score, source_response, task_context, resolved,
    resolution_date, resolution_method
)
select pg_temp.id('edm', n),
       pg_temp.user_id(pg_temp.person(n, 1)),
       noticed,
       pg_temp.pick(n, 2, array['Most studies agree on this', 'This function is thread-safe', 'The deadline is always in March',
           'The tax rate has not changed', 'Nobody uses the old format any more', 'The library handles time zones',
           'Sales fall every August', 'This medicine has no side effects']),
       pg_temp.pick(n, 3, array['unfalsifiable', 'unverified', 'unverified', 'missing_citation', 'vague', 'outdated']),
       (array['low', 'medium', 'high', 'critical'])[width_bucket(pg_temp.u(n, 4), array[0, 0.5, 0.8, 0.95])],
       0.5 + pg_temp.u(n, 5) / 2,
       'The answer said so in its second paragraph, without naming a source.',
       pg_temp.pick(n, 6, array['research', 'planning', 'coding', 'writing', null]),
       settled,
       case when settled then least(noticed + pg_temp.u(n, 8) * interval '20 days', pg_temp.moment(1, 1)) end,
       case when settled then pg_temp.pick(n, 9, array['verified', 'verified', 'retracted', 'source_added', 'dismissed']) end
  from generate_series($1::bigint, $2::bigint) as n
 cross join lateral (
           select pg_temp.moment(n, $3::bigint) as noticed,
                  pg_temp.u(n, 7) < 0.7 as settled
       ) as claims
 order by n
