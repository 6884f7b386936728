insert into audit_logs (
    user_id, timestamp, severity, event_type, session_id, component, action, details, result, ip_address, resource
)
select case when pg_temp.u(n, 1) < 0.95 then pg_temp.user_id(pg_temp.person(n, 2)) end,
       pg_temp.moment(n, $3::bigint),
       severity,
       event_type,
       pg_temp.id('session', n / 7),
       pg_temp.pick(n, 5, array['api', 'gate_system', 'data_access', 'model_orchestrator', 'security']),
       event_type,
       jsonb_build_object('request', pg_temp.id('request', n), 'duration_ms', floor(1 + 400 * power(pg_temp.u(n, 6), 3))),
       case
           when severity in ('error', 'critical') then 'failure'
           when severity = 'warning' then 'denied'
           else 'success'
       end,
       '10.' || n % 4 || '.' || floor(pg_temp.u(n, 7) * 256) || '.' || floor(1 + pg_temp.u(n, 8) * 254),
       pg_temp.pick(n, 9, array['ari_snapshots', 'ffe_goals', 'edm_debts', 'user_profiles', 'models/small', 'models/large'])
  from generate_series($1::bigint, $2::bigint) as n
 cross join lateral (
           select (array['info', 'debug', 'warning', 'error', 'critical'])
                      [width_bucket(pg_temp.u(n, 3), array[0, 0.8, 0.88, 0.96, 0.99])] as severity,
                  pg_temp.pick(n, 4, array['login', 'logout', 'data_access', 'data_access', 'data_access', 'data_modified',
                      'model_request', 'model_request', 'model_response', 'ari_snapshot', 'gate_evaluation', 'data_exported',
                      'config_changed']) as event_type
       ) as events
 order by n
