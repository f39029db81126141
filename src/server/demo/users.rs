//! Who can log in.

/// One user of the demo provider. All of them are public: there are no passwords.
#[derive(Debug, PartialEq, Eq)]
pub struct DemoUser {
    /// The user name: `preferred_username`, and the value of the button on the login page.
    pub name: &'static str,
    /// The stable subject identifier (OIDC Core 1.0, section 2: `sub`).
    pub subject: &'static str,
    /// The name as people write it.
    pub display_name: &'static str,
    /// The e-mail address, always verified.
    pub email: &'static str,
    /// The roles, sent as the `groups` claim.
    pub roles: &'static [&'static str],
    /// The `department` claim.
    pub department: &'static str,
}

/// Every user, in the order of the login page.
pub static USERS: [DemoUser; 3] = [
    DemoUser {
        name: "alice",
        subject: "demo-alice",
        display_name: "Alice",
        email: "alice@demo.example",
        roles: &["staff"],
        department: "research",
    },
    DemoUser {
        name: "bob",
        subject: "demo-bob",
        display_name: "Bob",
        email: "bob@demo.example",
        roles: &[],
        department: "sales",
    },
    DemoUser {
        name: "admin",
        subject: "demo-admin",
        display_name: "Admin",
        email: "admin@demo.example",
        roles: &["staff", "hallpass-admin"],
        department: "it",
    },
];

/// The user of that name.
pub fn find(name: &str) -> Option<&'static DemoUser> {
    USERS.iter().find(|user| user.name == name)
}
