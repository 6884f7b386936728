insert into patch_requests (
    request_id, created_at, target_file, reasoning, diff, new_code_blob, component, improvement_type, confidence, status,
    reviewed_at, reviewed_by, review_comment, applied_at, application_error, feedback_ids, metrics
)
select pg_temp.id('patch', n),
       created,
       'src/ai_pal/' || component || '/core.py',
       pg_temp.pick(n, 3, array['Users correct this answer more often than others.', 'The call is made twice per request.',
           'Half of the plans come out too large.', 'The threshold ignores short sessions.']),
       '--- a/core.py' || chr(10) || '+++ b/core.py' || chr(10) || '@@ -10,1 +10,1 @@' || chr(10) || '-    limit = 10'
           || chr(10) || '+    limit = ' || 11 + n % 50,
       -- A whole file, as the real ones carry: large enough to be stored out of line, even compressed.
       (select string_agg('# ' || pg_temp.id('line', n * 1000 + line) || chr(10) || 'step(' || line || ')' || chr(10), '')
          from generate_series(1, 120) as line),
       component,
       pg_temp.pick(n, 4, array['performance', 'accuracy', 'safety', 'readability']),
       0.4 + 0.6 * pg_temp.u(n, 5),
       status,
       case when status <> 'PENDING_APPROVAL' then least(created + interval '2 days', pg_temp.moment(1, 1)) end,
       case when status <> 'PENDING_APPROVAL' then pg_temp.user_id(1) end,
       case when status = 'DENIED' then 'Too little evidence.' end,
       case when status = 'APPLIED' then least(created + interval '3 days', pg_temp.moment(1, 1)) end,
       case when status = 'FAILED' then 'The patch does not apply: context differs at line 10.' end,
       jsonb_build_array(pg_temp.id('feedback', n))::text,
       jsonb_build_object('corrections', floor(pg_temp.u(n, 7) * 40), 'window_days', 30)::text
  from generate_series($1::bigint, $2::bigint) as n
 cross join lateral (
           select pg_temp.moment(n, $3::bigint) as created,
                  pg_temp.pick(n, 1, array['ffe', 'monitoring', 'gates', 'orchestration', 'privacy']) as component,
                  pg_temp.pick(n, 2, array['PENDING_APPROVAL', 'APPROVED', 'DENIED', 'APPLIED', 'APPLIED', 'FAILED']) as status
       ) as proposed
 order by n
