//! Reads maps and values out of the tree, noting everything that is not as it should be and going on.

mod fields;
mod scalars;
mod secrets;
mod values;

pub(crate) use fields::{At, Fields};
pub(crate) use secrets::{holds_secret, is_credential, is_secret_parameter, secret_parameters};
pub(crate) use values::{Compiled, Used};

use crate::diagnostic::{Problem, Problems, codes};
use crate::tree::Node;

/// A file while it is read.
pub(crate) struct Cx<'s> {
    /// What is wrong with it so far.
    pub(crate) problems: Problems<'s>,
    /// The pages of the settings, if they are known; empty = they are not.
    pub(crate) pages: Vec<String>,
}

impl<'s> Cx<'s> {
    pub(crate) fn new(source: &'s str, file: &str) -> Self {
        Self { problems: Problems::new(source, file), pages: Vec::new() }
    }

    /// Reads the file's text into a tree; mistakes of YAML are told with the path of the key that they are in.
    pub(crate) fn tree(&mut self) -> Option<Node> {
        let root = crate::tree::parse(&mut self.problems);
        let mut hidden = secrets::written_out(self.source(), root.as_ref());
        hidden.extend(self.problems.spans(codes::DUPLICATE).filter_map(|key| secrets::after_key(self.source(), key)));
        self.problems.hide(hidden);
        let root = root?;
        self.problems.fill_paths(|at| root.path_at(at));
        Some(root)
    }

    pub(crate) fn add(&mut self, problem: Problem) {
        self.problems.add(problem);
    }

    pub(crate) fn source(&self) -> &'s str {
        self.problems.source()
    }
}
