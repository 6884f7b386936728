//! Why an import was not begun, for a plain form: its answer leads back to the list, whose URL then says why in a word.

#[cfg(feature = "ssr")]
use contract::Code;

/// The word of a refusal in the URL of a plain form: one of a fixed list, so that no link can make the page say something.
#[cfg(feature = "ssr")]
pub fn refusal_word(code: Code) -> &'static str {
    match code {
        Code::NotFound => "gone",
        Code::Forbidden => "forbidden",
        Code::Invalid => "invalid",
        Code::Conflict => "conflict",
        Code::Busy => "busy",
        _ => "failed",
    }
}

/// What a refusal's word says to the reader.
pub fn refusal(word: &str) -> &'static str {
    match word {
        "gone" => "There is no such file, or it is not there any more. Choose another one of the list.",
        "forbidden" => "Your role does not allow imports. Ask an administrator.",
        "invalid" => {
            "This file cannot be imported: it is no ordinary file below the folder. Choose another one of the list."
        }
        "conflict" => {
            "The file is not ready: an upload that is not whole yet, or one that was just removed. Look at the list, and try again."
        }
        "busy" => "Too much goes on at once. Wait until a job has ended, and try again.",
        _ => "The import could not be begun. Try again; the console's log says why.",
    }
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_of_the_form_has_words_of_its_own() {
        let codes = [
            Code::NotFound,
            Code::Forbidden,
            Code::Invalid,
            Code::Conflict,
            Code::Busy,
            Code::Internal,
        ];
        let words: std::collections::BTreeSet<_> = codes
            .into_iter()
            .map(|code| refusal(refusal_word(code)))
            .collect();
        assert_eq!(words.len(), codes.len());
        assert_eq!(refusal(refusal_word(Code::Internal)), refusal("<b>anything</b>"));
    }
}
