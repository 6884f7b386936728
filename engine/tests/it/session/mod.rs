//! Who may come in, and until when.

mod limits;
mod live;
mod log_in;
mod refresh;
mod start;
mod users;

use std::time::Duration;

use crate::support::{self, Console, PASSWORD, engine};
use contract::{
    Code, Fault,
    session::{NewUser, Role, UserChange},
};
use engine::{Caller, Engine, Result, session::Tokens};
use secrecy::ExposeSecret;
use sqlx::{PgPool, Postgres, Transaction};

const HERE: &str = "203.0.113.7";

struct Test {
    console: Console,
    store: PgPool,
}

async fn console() -> Test {
    let target = testkit::shared().await.database("session").await;
    let console = engine(&target, false).await;
    Test {
        store: console.store.pool().await,
        console,
    }
}

impl Test {
    async fn sql(&self, sql: &'static str) {
        sqlx::query(sql).execute(&self.store).await.unwrap();
    }

    async fn text(&self, sql: &'static str) -> String {
        sqlx::query_scalar(sql).fetch_one(&self.store).await.unwrap()
    }

    async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.store).await.unwrap()
    }

    async fn add(&self, name: &str, role: Role) {
        let new = NewUser {
            name: name.to_owned(),
            role,
            password: PASSWORD.to_owned(),
            must_change_password: false,
        };
        self.console
            .session()
            .add_user(&root(&self.console), new)
            .await
            .unwrap();
    }

    async fn log_in(&self, name: &str) -> Tokens {
        self.console.session().log_in(name, PASSWORD, None).await.unwrap()
    }

    async fn try_log_in(&self, name: &str, password: &str) -> Option<Fault> {
        refusal(self.console.session().log_in(name, password, None).await)
    }

    async fn proven(&self, tokens: &Tokens) -> Option<Caller> {
        self.console
            .session()
            .authenticate(tokens.access.expose_secret(), None)
            .await
            .ok()
    }

    async fn refreshed(&self, tokens: &Tokens) -> Option<Tokens> {
        self.console
            .session()
            .refresh(tokens.refresh.expose_secret(), None)
            .await
            .ok()
    }

    async fn change(&self, change: UserChange) -> Option<Fault> {
        refusal(
            self.console
                .session()
                .change_user(&root(&self.console), change)
                .await,
        )
    }

    /// Holds back whoever needs what `sql` locks, so that several really come at the same moment.
    async fn hold(&self, sql: &'static str) -> Transaction<'static, Postgres> {
        let mut held = self.store.begin().await.unwrap();
        sqlx::query(sql).execute(&mut *held).await.unwrap();
        held
    }

    /// Lets them go when this many wait.
    async fn let_go(&self, held: Transaction<'static, Postgres>, number: i64) {
        let waiting = "select count(*) from pg_stat_activity
                       where datname = current_database() and wait_event_type = 'Lock'";
        let all = async {
            while self.number(waiting).await < number {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let came = tokio::time::timeout(Duration::from_secs(120), all).await;
        held.rollback().await.unwrap();
        assert!(came.is_ok(), "fewer than {number} waited");
    }

    fn hashes(&self) -> u64 {
        self.console.session().password_hashes()
    }
}

fn root(engine: &Engine) -> Caller {
    engine.session().command_line("test")
}

fn refusal<T>(result: Result<T>) -> Option<Fault> {
    result.err().map(|error| error.fault())
}

fn code(fault: Option<Fault>) -> Option<Code> {
    fault.map(|fault| fault.code)
}

fn to(name: &str) -> UserChange {
    UserChange {
        name: name.to_owned(),
        role: None,
        password: None,
        disabled: None,
    }
}
