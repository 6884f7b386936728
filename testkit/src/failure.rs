use std::fmt;

/// Why a cluster could not be started or used: what went wrong and, where there is one, the command that helps.
#[derive(Debug, Clone)]
pub struct Failure(String);

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Ends the test that asked.
    pub(crate) fn fail(&self) -> ! {
        #[expect(
            clippy::panic,
            reason = "testkit runs in tests only, and a test fails by panicking"
        )]
        {
            panic!("testkit: {self}")
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// Turns any error into a [`Failure`] that says what was being done.
pub(crate) trait Doing<T> {
    fn doing(self, what: &str) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> Doing<T> for Result<T, E> {
    fn doing(self, what: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure(format!("{what}: {error}")))
    }
}

/// The value, or the end of the test.
pub(crate) fn or_fail<T>(result: Result<T, Failure>) -> T {
    result.unwrap_or_else(|failure| failure.fail())
}
