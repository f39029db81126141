//! `hallpass hash-secret`: contract, section 1.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use hallpass::server::ambient::SystemEntropy;
use hallpass::server::credential::argon::Hasher;
use metrics::Counter;

fn hash(input: &[u8], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    command.arg("hash-secret").args(arguments).env_clear();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that refuses may be gone before everything is written.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// The one line that it prints.
#[track_caller]
fn line(output: &Output) -> String {
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.strip_suffix('\n').filter(|line| !line.contains('\n')).unwrap_or_else(|| panic!("{text:?}")).to_owned()
}

async fn proves(phc: &str, secret: &str) -> bool {
    let hasher = Hasher::new(Arc::new(SystemEntropy), Counter::noop());
    hasher.verify_secret(secret.into(), phc).await.unwrap()
}

#[tokio::test]
async fn it_prints_the_proof_of_exactly_what_was_typed() {
    let table: [(&[u8], &str); 6] = [
        (b"s3cret", "s3cret"),
        (b"s3cret\n", "s3cret"),
        (b"s3cret\r\n", "s3cret"),
        (b"s3cret\n\n", "s3cret\n"),
        (b" s3cret ", " s3cret "),
        ("\u{e9}".as_bytes(), "\u{e9}"),
    ];
    for (input, secret) in table {
        let phc = line(&hash(input, &[]));
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(proves(&phc, secret).await, "{input:?}");
        assert!(!proves(&phc, &format!("{secret}\n")).await, "{input:?}");
    }
}

#[test]
fn no_two_proofs_are_alike() {
    assert_ne!(line(&hash(b"s3cret", &[])), line(&hash(b"s3cret", &["--config", "nowhere.toml"])));
}

#[test]
fn what_is_no_secret_is_refused() {
    for input in [&b""[..], b"\n", b"\r\n", b"\xff\xfe", &[b'x'; 5_000]] {
        let output = hash(input, &[]);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{output:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), 1);
    }
    assert_eq!(hash(b"s3cret", &["s3cret"]).status.code(), Some(2), "a secret is never an argument");
}
