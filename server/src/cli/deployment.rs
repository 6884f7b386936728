//! `pgsteward deployment …`: what was deployed when, for the charts.

use contract::{
    deployment::{Deployment as Told, HOOK, NewDeployment, NewToken, TokenView},
    format,
};

use super::{
    Session,
    arguments::{Deployment, Token},
    confirm,
    failure::Failure,
    table,
};
use crate::console::Console;

pub(super) async fn run(session: &Session<'_>, console: &Console, what: Deployment) -> Result<(), Failure> {
    let caller = session.caller(console);
    let deployments = console.engine.deployment();
    match what {
        Deployment::Add {
            version,
            note,
            link,
            at,
        } => {
            let new = NewDeployment {
                target: Some(session.target(console).await?),
                version,
                note,
                link,
                at,
            };
            let told = deployments.tell(&caller, new).await?;
            session.out.show(&told, || {
                format!(
                    "Told: {}, {} on {} (number {}).",
                    told.words(),
                    format::absolute(told.at),
                    told.target,
                    told.id
                )
            });
        }
        Deployment::List => {
            let list = deployments.list(&caller, &session.target(console).await?).await?;
            session.out.show(&list, || lines(&list));
        }
        Deployment::Remove { id } => {
            let gone = deployments
                .remove(&caller, &session.target(console).await?, id)
                .await?;
            session
                .out
                .show(&gone, || format!("Taken back: {}.", gone.words()));
        }
        Deployment::Token(what) => return tokens(session, console, what).await,
    }
    Ok(())
}

async fn tokens(session: &Session<'_>, console: &Console, what: Token) -> Result<(), Failure> {
    let caller = session.caller(console);
    let deployments = console.engine.deployment();
    match what {
        Token::Add { name } => {
            let target = session.target.clone();
            let made = deployments.make_token(&caller, NewToken { name, target }).await?;
            session.note(&format!(
                "The token is shown only now. Send it to {HOOK} in the header Authorization: Bearer."
            ));
            session.out.show(&made, || made.token.clone());
        }
        Token::List => {
            let list = deployments.tokens(&caller).await?;
            session.out.show(&list, || token_lines(&list));
        }
        Token::Revoke { name } => {
            confirm::ask(session, &format!("Revoke the token {name}?"))?;
            let gone = deployments.revoke_token(&caller, name).await?;
            session
                .out
                .show(&gone, || format!("The token {} was revoked.", gone.name));
        }
    }
    Ok(())
}

fn lines(list: &[Told]) -> String {
    if list.is_empty() {
        return "No deployment was told of yet. Tell of one: pgsteward deployment add --version 1.4.2"
            .to_owned();
    }
    let rows: Vec<Vec<String>> = list
        .iter()
        .map(|told| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            vec![
                told.id.to_string(),
                format::absolute(told.at),
                text(&told.version),
                text(&told.note),
                text(&told.link),
                told.told_by.clone(),
            ]
        })
        .collect();
    table::lay_out(
        &["number", "at", "version", "note", "link", "told by"],
        &["number"],
        &rows,
    )
}

fn token_lines(list: &[TokenView]) -> String {
    if list.is_empty() {
        return "No token yet. Make one: pgsteward deployment token add NAME".to_owned();
    }
    let rows: Vec<Vec<String>> = list
        .iter()
        .map(|token| {
            vec![
                token.name.clone(),
                token.target.clone().unwrap_or_else(|| "any".to_owned()),
                token.used_at.map_or_else(|| "never".to_owned(), format::absolute),
                format!("{} by {}", format::absolute(token.made_at), token.made_by),
            ]
        })
        .collect();
    table::lay_out(&["name", "tells of", "last used", "made"], &[], &rows)
}
