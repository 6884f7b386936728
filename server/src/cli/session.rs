//! `pgsteward user …`: the console's users.

use contract::{
    format,
    session::{NewUser, UserChange, UserView},
};
use secrecy::ExposeSecret;

use super::{Session, arguments::User, failure::Failure, password, table};
use crate::console::Console;

pub(super) async fn run(session: &Session<'_>, console: &Console, what: User) -> Result<(), Failure> {
    let users = console.engine.session();
    let caller = session.caller(console);
    match what {
        User::Add {
            name,
            role,
            password_stdin,
            keep_password,
        } => {
            let password = password::read(password_stdin)?;
            let new = NewUser {
                name,
                role: role.into(),
                password: password.expose_secret().to_owned(),
                must_change_password: !keep_password,
            };
            let user = users.add_user(&caller, new).await?;
            session.out.show(&user, || {
                let then = match keep_password {
                    true => "",
                    false => " They choose a password of their own at the first log-in.",
                };
                format!("Added {} ({}).{then}", user.name, user.role.name())
            });
        }
        User::List => {
            let list = users.users(&caller).await?;
            session.out.show(&list, || lines(&list));
        }
        User::Passwd { name, password_stdin } => {
            let password = password::read(password_stdin)?;
            let password = Some(password.expose_secret().to_owned());
            let user = users
                .change_user(
                    &caller,
                    UserChange {
                        name,
                        role: None,
                        password,
                        disabled: None,
                    },
                )
                .await?;
            session.out.show(&user, || {
                format!("{} must change this password at the next log-in.", user.name)
            });
        }
        User::Role { name, role } => {
            let change = UserChange {
                name,
                role: Some(role.into()),
                password: None,
                disabled: None,
            };
            let user = users.change_user(&caller, change).await?;
            session
                .out
                .show(&user, || format!("{} is {} now.", user.name, user.role.name()));
        }
    }
    Ok(())
}

fn lines(users: &[UserView]) -> String {
    let rows: Vec<Vec<String>> = users
        .iter()
        .map(|user| {
            vec![
                user.name.clone(),
                user.role.name().to_owned(),
                if user.disabled { "disabled" } else { "enabled" }.to_owned(),
                user.last_login_at
                    .map_or_else(|| "never".to_owned(), format::absolute),
            ]
        })
        .collect();
    table::lay_out(&["name", "role", "state", "last log-in"], &[], &rows)
}
