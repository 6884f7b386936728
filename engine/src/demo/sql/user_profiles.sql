insert into user_profiles (
    user_id, created_at, updated_at, display_name, email, signature_strengths, learning_style, preferences
)
select pg_temp.user_id(n),
       joined,
       joined + pg_temp.u(n, 1) * interval '30 days',
       first_name || ' ' || last_name,
       lower(first_name || '.' || last_name) || n || '@example.com',
       jsonb_build_array(
           pg_temp.pick(n, 4, array['curiosity', 'perseverance', 'creativity', 'kindness']),
           pg_temp.pick(n, 5, array['judgment', 'humour', 'prudence', 'gratitude'])
       )::text,
       pg_temp.pick(n, 6, array['visual', 'auditory', 'reading', 'kinesthetic']),
       jsonb_build_object('theme', pg_temp.pick(n, 7, array['light', 'dark', 'system']))::text
  from generate_series($1::bigint, $2::bigint) as n
 cross join lateral (
           -- Everyone has joined before the oldest of the rows that name them.
           select pg_temp.moment(1, $3::bigint) - interval '31 days' - pg_temp.u(n, 8) * interval '300 days' as joined,
                  pg_temp.pick(n, 2, array['Ada', 'Ben', 'Chloe', 'Dario', 'Elif', 'Farid', 'Grace', 'Hugo', 'Ines', 'Jonas',
                      'Keiko', 'Liam', 'Maya', 'Noor', 'Olga', 'Priya']) as first_name,
                  pg_temp.pick(n, 3, array['Abe', 'Berg', 'Costa', 'Diaz', 'Evans', 'Fischer', 'Garcia', 'Haddad', 'Ito',
                      'Jensen', 'Kaya', 'Lopez', 'Meyer', 'Novak', 'Okafor', 'Patel']) as last_name
       ) as named
