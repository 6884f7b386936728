//! The page Explain as it comes, before any script.

use contract::session::Role;

use crate::support::Console;

/// The tag of the details that hold what is said before a statement is run.
fn details(page: &str) -> &str {
    let before = page.split("Run it for times and buffers").next().unwrap();
    let begin = before.rfind("<details").unwrap();
    &before[begin..begin + before[begin..].find('>').unwrap()]
}

#[tokio::test]
async fn what_has_to_be_agreed_to_is_in_sight_when_it_is_asked_for() {
    let console = Console::start().await;
    let operator = console.log_in_as(Role::Operator).await;
    for (page, open) in [
        ("/db/main/explain", false),
        ("/db/main/explain?refused=accept", true),
    ] {
        let page = operator.get(page).await.text();
        assert_eq!(details(&page).contains(" open"), open, "{}", details(&page));
    }
}
