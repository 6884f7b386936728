use sqlx::{AssertSqlSafe, PgPool};

use crate::failure::{Doing, or_fail};

/// A transaction that makes too many tables runs out of lock slots, one that makes few pays for its commit.
const TABLES_AT_ONCE: u32 = 500;

/// Makes `count` tables `many_00001`, `many_00002`, … of three rows, each with a primary key and the index
/// `many_00001_owner_idx`. 10,000 take about 10 s.
pub async fn many_tables(pool: &PgPool, count: u32) {
    for first in (1..=count).step_by(TABLES_AT_ONCE as usize) {
        let last = count.min(first + TABLES_AT_ONCE - 1);
        let sql = format!(
            "do $block$
             declare
               name text;
             begin
               for number in {first}..{last} loop
                 name := 'many_' || lpad(number::text, 5, '0');
                 execute format('create table %I (id integer primary key, owner integer not null, label varchar(20))', name);
                 execute format('create index %I on %I (owner)', name || '_owner_idx', name);
                 execute format('insert into %I select n, n %% 2, ''row '' || n from generate_series(1, 3) as n', name);
               end loop;
             end
             $block$"
        );
        or_fail(
            sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(pool)
                .await
                .doing("making many tables"),
        );
    }
}
