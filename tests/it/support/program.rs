//! The program itself, as an operator runs it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// What a demo needs to find free ports.
pub const FREE_PORTS: [(&str, &str); 3] =
    [("HALLPASS_LISTEN", "127.0.0.1:0"), ("HALLPASS_DEMO__LISTEN", "127.0.0.1:0"), ("HALLPASS_METRICS_LISTEN", "")];

/// A configuration of a real installation.
pub const CONFIG: &str = r#"
public_url = "http://localhost:3000"
listen = "127.0.0.1:0"
metrics_listen = ""

[[oidc]]
name = "main"
issuer = "https://id.example.org"
client_id = "hallpass"

[[scopes]]
name = "read:users"
"#;

pub fn command(folder: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Command {
    command_of(env!("CARGO_BIN_EXE_hallpass"), folder, arguments, env)
}

fn command_of(program: &str, folder: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(env.iter().copied()).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits for the end of a process, at most ten seconds.
pub fn wait(child: &mut Child) -> Option<i32> {
    for _ in 0..500 {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    panic!("the process does not end");
}

/// Runs a command to its end.
pub fn run_with(folder: &Path, arguments: &[&str], env: &[(&str, &str)]) -> (i32, String, String) {
    let mut child = command(folder, arguments, env).spawn().unwrap();
    let code = wait(&mut child);
    let Output { stdout, stderr, .. } = child.wait_with_output().unwrap();
    (code.expect("an exit status"), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

pub fn run(folder: &TempDir, arguments: &[&str]) -> (i32, String, String) {
    run_with(folder.path(), arguments, &[])
}

/// Runs a command that must not start, and gives what it says.
#[track_caller]
pub fn refused(folder: &Path, arguments: &[&str], env: &[(&str, &str)]) -> String {
    let (code, stdout, stderr) = run_with(folder, arguments, env);
    assert_eq!(code, 2, "{stdout}{stderr}");
    assert!(!stderr.trim().is_empty() && !stderr.contains("panicked"), "{stderr}");
    stderr
}

pub fn folder_with(config: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hallpass.toml"), config).unwrap();
    folder
}

/// Ports that the system gives to nobody by itself.
const PORTS: std::ops::Range<u16> = 10_000..20_000;

/// An address that nobody listens on. It is not given again for a while: tests run beside each other, and a port that was
/// let go of may be the next that the system gives to somebody.
pub fn free_address() -> String {
    let path = std::env::temp_dir().join("hallpass-test-port");
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap();
    file.lock().unwrap();
    let mut last = String::new();
    file.read_to_string(&mut last).unwrap();
    let last = last.trim().parse().ok().filter(|port| PORTS.contains(port)).unwrap_or(PORTS.start);
    let mut next = (last + 1..PORTS.end).chain(PORTS);
    let port = next.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap();
    file.set_len(0).unwrap();
    file.rewind().unwrap();
    write!(file, "{port}").unwrap();
    format!("127.0.0.1:{port}")
}

/// A running server.
pub struct Server {
    pub child: Child,
    pub url: String,
    pub client: reqwest::Client,
}

impl Server {
    pub fn start(folder: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Self {
        Self::spawn(command(folder, arguments, env))
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit(':').next().unwrap_or_default().to_owned();
        if port.is_empty() {
            let mut error = String::new();
            child.stderr.as_mut().unwrap().read_to_string(&mut error).unwrap();
            panic!("it does not start: {error}");
        }
        assert!(line.starts_with("Hallpass is ready at http://localhost:"), "{line}");
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        Self { child, url: format!("http://127.0.0.1:{port}"), client }
    }

    /// The same by another build of the program.
    pub fn start_other(program: &str, folder: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Self {
        Self::spawn(command_of(program, folder, arguments, env))
    }

    /// What the configuration in the folder says, on a port that is free now.
    pub fn configured(folder: &Path) -> Self {
        let listen = free_address();
        let url = listen.replace("127.0.0.1", "http://localhost");
        // Nobody reads what it logs, and a full pipe would stop it.
        let env = [("HALLPASS_LISTEN", listen.as_str()), ("HALLPASS_PUBLIC_URL", &url), ("RUST_LOG", "error")];
        Self::start(folder, &["serve"], &env)
    }

    pub fn demo(folder: &Path) -> Self {
        Self::start(folder, &["serve", "--demo"], &FREE_PORTS)
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    pub async fn status(&self, path: &str) -> u16 {
        self.get(path).await.status().as_u16()
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// Lets no file of it grow by a byte, as on a full disk, or lets them grow again.
    pub fn fill_disk(&self, is_full: bool) {
        let size = if is_full { "0" } else { "unlimited" };
        let id = self.child.id().to_string();
        let status = Command::new("prlimit").args(["--pid", &id, &format!("--fsize={size}:unlimited")]).status();
        assert!(status.unwrap().success());
    }

    /// Whether it would be told of SIGTERM now.
    pub fn listens_to_signals(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << 14) != 0
    }

    /// Asks it to stop and gives its exit status and what it had to say.
    pub fn stop(mut self) -> (i32, String) {
        while !self.listens_to_signals() {
            std::thread::yield_now();
        }
        self.signal("TERM");
        let code = wait(&mut self.child).unwrap();
        let mut said = String::new();
        self.child.stderr.as_mut().unwrap().read_to_string(&mut said).unwrap();
        (code, said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
