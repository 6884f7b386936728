//! Why there is no plan, for a plain form: its answer leads back to the form, whose URL then says why in a word.

#[cfg(feature = "ssr")]
use contract::{Code, Fault, explain::PlanView};
#[cfg(feature = "ssr")]
use uuid::Uuid;

#[cfg(feature = "ssr")]
use crate::rpc::ApiError;

/// Leads a plain form on to the plan, or back to the form.
#[cfg(feature = "ssr")]
pub fn lead_on(target: &str, made: Result<PlanView, ApiError>) -> Result<Uuid, ApiError> {
    use crate::{address::link, session::lead_to};
    match &made {
        Ok(view) => lead_to(&super::plan_link(target, view.id)),
        Err(ApiError(fault)) => lead_to(&format!("{}?refused={}", link(target, "explain"), word(fault))),
    }
    made.map(|view| view.id)
}

/// The word of a refusal: one of a fixed list, so that no link can make the page say something.
#[cfg(feature = "ssr")]
fn word(fault: &Fault) -> &'static str {
    match (fault.code, fault.field.as_deref()) {
        (_, Some("statement")) => "statement",
        (_, Some("values")) => "values",
        (_, Some("accept")) => "accept",
        (_, Some("plan")) => "plan",
        (Code::Forbidden, _) => "forbidden",
        (Code::Conflict, _) => "conflict",
        (Code::TargetRefused, _) => "refused",
        (Code::TargetTimeout, _) => "late",
        (Code::TargetUnreachable, _) => "away",
        _ => "failed",
    }
}

/// What a refusal's word says to the reader.
pub fn refusal(word: &str) -> &'static str {
    match word {
        "statement" => {
            "It is not one statement that reads or changes rows. Leave EXPLAIN, settings, transactions and a second statement out."
        }
        "values" => {
            "A parameter has no value that could be used. Write one a line below Values for parameters, such as: $1 = 42"
        }
        "accept" => {
            "A part of what it does is not undone by rolling back. Tick that it shall run all the same, or ask for the plan without running it."
        }
        "plan" => {
            "That is no plan that can be read. Paste the whole of what EXPLAIN or EXPLAIN (FORMAT JSON) printed."
        }
        "forbidden" => "Your role does not allow that. A viewer may explain, and not run.",
        "conflict" => {
            "It would run code of other roles as the console's, or act on the server itself. The command `pgsteward explain` says which."
        }
        "refused" => {
            "The server refused the statement: it cannot be read, or the console's role may not read a table."
        }
        "late" => "It took too long, or a lock was not free, and it was broken off. It was rolled back.",
        "away" => "The database cannot be reached.",
        _ => "There is no plan. Try again; the console's log says why.",
    }
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_of_the_form_has_words_of_its_own() {
        let faults = ["statement", "values", "accept", "plan"]
            .map(|field| Fault::new(Code::Invalid, "x").field(field))
            .into_iter()
            .chain(
                [
                    Code::Forbidden,
                    Code::Conflict,
                    Code::TargetRefused,
                    Code::TargetTimeout,
                    Code::TargetUnreachable,
                    Code::Internal,
                ]
                .map(|code| Fault::new(code, "x")),
            );
        let words: std::collections::BTreeSet<_> = faults.map(|fault| refusal(word(&fault))).collect();
        assert_eq!(words.len(), 10);
        assert_eq!(refusal("failed"), refusal("<b>anything</b>"));
    }
}
