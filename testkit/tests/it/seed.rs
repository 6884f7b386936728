//! Seed data is as described.

use testkit::{seed, shared};

#[tokio::test]
async fn many_tables_makes_that_many_each_with_rows_and_an_index() {
    let pool = shared().await.database("many").await.pool().await;
    seed::many_tables(&pool, 1_001).await;
    let (tables, indexes): (i64, i64) = sqlx::query_as(
        "select count(*) filter (where relkind = 'r'),
                count(*) filter (where relkind = 'i' and relname like '%_owner_idx')
           from pg_class
          where relnamespace = 'public'::regnamespace",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!((tables, indexes), (1_001, 1_001));
    let rows: i64 = sqlx::query_scalar("select count(*) from many_01001")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(rows, 3);
}
