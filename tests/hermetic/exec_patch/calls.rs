//! Reads the calls that the fake runtime recorded.
//!
//! The fake runtime records one fact of a call in each line, with bytes in hexadecimal.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fleet::Fleet;
use crate::room::hexadecimal;

/// A call that the fake runtime recorded.
#[derive(Debug)]
pub(crate) struct Call(Vec<String>);

impl Call {
    /// Reads the record of one call.
    pub(crate) fn of(text: &str) -> Self {
        Self(text.lines().map(str::to_owned).collect())
    }

    fn facts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter_map(move |line| line.strip_prefix(name)?.strip_prefix(' '))
    }

    /// The facts of this name, each as bytes.
    pub(crate) fn bytes(&self, name: &str) -> Vec<Vec<u8>> {
        let byte = |digits: &[u8]| u8::from_str_radix(str::from_utf8(digits).unwrap(), 16).unwrap();
        self.facts(name)
            .map(|fact| fact.as_bytes().chunks(2).map(byte).collect())
            .collect()
    }

    /// The only fact of this name.
    pub(crate) fn fact(&self, name: &str) -> String {
        let found = self.facts(name).next().map(str::to_owned);
        found.unwrap_or_else(|| panic!("{name}: {self:?}"))
    }

    /// The runtime's arguments, without argv's first element.
    pub(crate) fn words(&self) -> Vec<String> {
        self.bytes("argv")
            .into_iter()
            .skip(1)
            .map(|word| String::from_utf8(word).unwrap())
            .collect()
    }

    /// Whether the call should enter this container.
    pub(crate) fn enters(&self, name: &str) -> bool {
        let words = self.words();
        words.contains(&"exec".to_owned()) && words.last() == Some(&Fleet::id(name))
    }

    /// The files that were open at the runtime's descriptors.
    pub(crate) fn descriptors(&self) -> BTreeMap<u32, String> {
        let numbered = |fact: &str| {
            fact.split_once(' ')
                .map(|(number, file)| (number.parse().unwrap(), file.to_owned()))
        };
        self.facts("descriptor").filter_map(numbered).collect()
    }

    /// A variable in the runtime's environment.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let beginning = hexadecimal(format!("{name}=").as_ref());
        let found = self
            .facts("variable")
            .find(|fact| fact.starts_with(&beginning))?;
        Some(
            String::from_utf8(
                Self(vec![format!("v {}", &found[beginning.len()..])])
                    .bytes("v")
                    .remove(0),
            )
            .unwrap(),
        )
    }

    /// The `process` object that the runtime should start.
    pub(crate) fn process(&self) -> Value {
        serde_json::from_slice(&self.bytes("process").remove(0)).unwrap()
    }
}
