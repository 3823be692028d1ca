//! The template in a real Zabbix: Debian's frontend and PostgreSQL, both of this run alone, are asked to import it. It takes
//! half a minute, nearly all of it Zabbix's own schema.

use crate::prerequisites::{self, Tool};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where Debian's packages put what is needed: frontend and schema.
const FRONTEND: &str = "/usr/share/zabbix";
const SCHEMA: &str = "/usr/share/zabbix-server-pgsql";
/// What it takes. PHP's extensions are files of no fixed name; the frontend's package brings them.
pub const TOOLS: &[Tool] = &[Tool::ZABBIX, Tool::ZABBIX_SCHEMA, Tool::POSTGRES, Tool::PHP];

/// What the import made of it.
#[derive(Debug)]
pub struct Imported {
    /// Items.
    pub items: usize,
    /// Discovery rules.
    pub rules: usize,
    /// Prototypes of items.
    pub prototypes: usize,
}

/// Imports a template.
pub fn import(template: &str) -> Result<Imported> {
    // The frontend's package is content with any database's extension.
    let extensions = prerequisites::command("php").arg("-m").stdin(Stdio::null()).output().context("php")?.stdout;
    let has_pgsql = String::from_utf8_lossy(&extensions).lines().any(|extension| extension == "pgsql");
    ensure!(has_pgsql, "PHP can not reach PostgreSQL: apt-get install php-pgsql");
    let directory = tempfile::Builder::new().prefix("rais-zabbix-").tempdir()?;
    let _database = Database::start(directory.path())?;
    let mut frontend = Frontend::start(directory.path())?;
    let rules = ["templates", "items", "triggers", "discoveryRules", "valueMaps", "groups"];
    let rules: serde_json::Map<_, _> = rules
        .iter()
        .map(|rule| (String::from(*rule), json!({"createMissing": true, "updateExisting": true})))
        .collect();
    let user = frontend.ask("user.login", &json!({"user": "Admin", "password": "zabbix"}))?;
    frontend.session = Some(user);
    frontend.ask("configuration.import", &json!({"format": "yaml", "rules": rules, "source": template}))?;
    let asked = json!({"filter": {"host": "rais by SNMP"}, "selectItems": "count", "selectDiscoveries": "count"});
    let found = frontend.ask("template.get", &asked)?;
    let found = found.get(0).context("there is no template after the import")?;
    let prototypes =
        frontend.ask("itemprototype.get", &json!({"countOutput": true, "templateids": [found["templateid"]]}))?;
    let number = |value: &Value| value.as_str().and_then(|text| text.parse().ok()).context("no number");
    Ok(Imported {
        items: number(&found["items"])?,
        rules: number(&found["discoveries"])?,
        prototypes: number(&prototypes)?,
    })
}

/// Debian's programs of the newest PostgreSQL.
fn postgres() -> Option<PathBuf> {
    let mut versions: Vec<_> =
        std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|entry| entry.path()).collect();
    versions.sort();
    versions.pop().map(|version| version.join("bin")).filter(|programs| programs.join("initdb").exists())
}

/// A database server of this run, on a socket in its directory.
struct Database {
    data: PathBuf,
}

/// The server does not run as root.
fn as_postgres(program: &str) -> Result<Command> {
    let mut command = prerequisites::command("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]);
    command.arg(postgres().context("no PostgreSQL")?.join(program)).stdin(Stdio::null()).stdout(Stdio::null());
    Ok(command)
}

impl Database {
    fn start(directory: &Path) -> Result<Self> {
        std::fs::set_permissions(directory, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let home = directory.join("postgres");
        std::fs::create_dir(&home)?;
        done(prerequisites::command("chown").arg("postgres").arg(&home))?;
        let database = Self { data: home.join("data") };
        done(as_postgres("initdb")?.arg("-D").arg(&database.data).args(["-A", "trust", "-U", "zabbix"]))?;
        let options = format!("-k {} -c listen_addresses='' -c fsync=off -c synchronous_commit=off", home.display());
        let mut start = as_postgres("pg_ctl")?;
        start
            .arg("-D")
            .arg(&database.data)
            .arg("-o")
            .arg(options)
            .arg("-l")
            .arg(home.join("log"))
            .args(["-w", "start"]);
        done(&mut start)?;
        let sql = format!(
            "psql -q -h {home} -U zabbix -d postgres -c 'create database zabbix' && \
             zcat {SCHEMA}/schema.sql.gz {SCHEMA}/images.sql.gz {SCHEMA}/data.sql.gz | \
             psql -q -v ON_ERROR_STOP=1 -h {home} -U zabbix -d zabbix",
            home = home.display()
        );
        done(prerequisites::command("sh").args(["-c", &sql]).stdout(Stdio::null()))?;
        Ok(database)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Ok(mut stop) = as_postgres("pg_ctl") {
            let _ = stop.arg("-D").arg(&self.data).args(["-m", "immediate", "-w", "stop"]).status();
        }
    }
}

/// The frontend, served by PHP itself.
struct Frontend {
    child: Child,
    port: u16,
    session: Option<Value>,
}

impl Frontend {
    fn start(directory: &Path) -> Result<Self> {
        let home = directory.join("frontend");
        done(prerequisites::command("cp").args(["-rL", FRONTEND]).arg(&home))?;
        // Debian's looks for its configuration in /etc, which is not this run's.
        let finder = home.join("include/classes/core/CConfigFile.php");
        let configuration = home.join("rais.conf.php");
        let found = std::fs::read_to_string(&finder)?;
        let own = found.replace("/etc/zabbix/zabbix.conf.php", &configuration.display().to_string());
        ensure!(own != found, "this frontend's configuration is elsewhere");
        std::fs::write(&finder, own)?;
        let database = directory.join("postgres");
        let settings = [("TYPE", "POSTGRESQL"), ("SERVER", &database.display().to_string()), ("PORT", "0")]
            .map(|(key, value)| format!("$DB['{key}'] = '{value}';\n"))
            .concat();
        let settings = format!(
            "<?php\n{settings}$DB['DATABASE'] = 'zabbix'; $DB['USER'] = 'zabbix'; $DB['PASSWORD'] = ''; $DB['SCHEMA'] = '';\n\
             $DB['ENCRYPTION'] = false; $DB['KEY_FILE'] = ''; $DB['CERT_FILE'] = ''; $DB['CA_FILE'] = '';\n\
             $DB['VERIFY_HOST'] = false; $DB['CIPHER_LIST'] = ''; $DB['VAULT_URL'] = ''; $DB['VAULT_DB_PATH'] = '';\n\
             $DB['VAULT_TOKEN'] = ''; $DB['DOUBLE_IEEE754'] = true;\n\
             $ZBX_SERVER_NAME = ''; $IMAGE_FORMAT_DEFAULT = IMAGE_FORMAT_PNG;\n"
        );
        std::fs::write(&configuration, settings)?;
        // A port that was free a moment ago.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut php = prerequisites::command("php");
        php.args(["-d", "memory_limit=256M", "-S", &format!("127.0.0.1:{port}")]).current_dir(&home);
        let child = php.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let frontend = Self { child, port, session: None };
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            ensure!(Instant::now() < deadline, "the frontend does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(frontend)
    }

    fn ask(&self, method: &str, params: &Value) -> Result<Value> {
        let body =
            json!({"jsonrpc": "2.0", "method": method, "params": params, "auth": self.session, "id": 1}).to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        write!(
            stream,
            "POST /api_jsonrpc.php HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json-rpc\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, answer) = answer.split_once("\r\n\r\n").context("no answer")?;
        let mut answer: Value = serde_json::from_str(answer).with_context(|| format!("{method}: {answer}"))?;
        if let Some(error) = answer.get("error") {
            bail!("{method}: {error}");
        }
        Ok(answer["result"].take())
    }
}

impl Drop for Frontend {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn done(command: &mut Command) -> Result<()> {
    let output = command.stderr(Stdio::piped()).output().with_context(|| format!("{command:?} does not start"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
