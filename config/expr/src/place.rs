//! Where in an import a value stands, and what that place demands of it.

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A field, a message, a query parameter, a body: any value, unchanged.
    Field,
    /// A URL: values are percent-encoded and supply neither scheme nor host.
    Url,
    /// A file name or path: values lose separators, and `..` is refused.
    Path,
    /// A header: CR, LF and NUL are refused; settings may stand here.
    Header,
    /// `auth`: settings may stand here.
    Auth,
    /// A list of targets: settings may stand here.
    Target,
    /// A setting of the project: settings may stand here.
    Setting,
    /// A field that can only be an expression (`where`, `key`): no `=` is needed.
    Expression,
    /// Text that is taken as it is (`graphql`): no `$` means anything.
    Verbatim,
}

impl Place {
    /// Whether `$NAME` in capitals may stand here.
    pub fn allows_settings(self) -> bool {
        matches!(self, Place::Header | Place::Auth | Place::Target | Place::Setting)
    }
}
