//! The one error of the kernel: its input has the wrong shape or content.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub String);

pub type Outcome<T> = Result<T, Refused>;

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// Fails with a sentence unless the condition holds.
pub fn require(condition: bool, sentence: impl FnOnce() -> String) -> Outcome<()> {
    if condition {
        return Ok(());
    }
    Err(Refused(sentence()))
}

/// Fails unless an array has exactly the expected number of elements.
pub fn require_length(what: &str, found: usize, expected: usize) -> Outcome<()> {
    require(found == expected, || format!("{what} has {found} elements, {expected} are due"))
}
