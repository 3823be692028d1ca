//! `cargo xtask up`: the main job. Boxes, a client, and everything an engineer wants to try, from a bare clone.

use crate::lab::{self, BOXES, BootBy, COMMUNITY, Firmware, Lab, MIB, Mode, Plan, Signing, Tools, Trap, remove_stale};
use crate::prerequisites::{self, Tool};
use crate::report::{self, Late, Verdict, step};
use crate::{cargo, demo, image, interrupt, vm};
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;
use std::time::Duration;

/// How long boxes may take until every service address is served. Generous for VMs under emulation on a busy machine.
const START_LIMIT: [(Mode, Duration); 2] =
    [(Mode::Namespaces, Duration::from_secs(30)), (Mode::Machines, Duration::from_secs(180))];

/// What the lab needs beyond what the image needs.
pub const TOOLS: &[Tool] =
    &[Tool::IP, Tool::SYSCTL, Tool::SSH_KEYGEN, Tool::SNMPWALK, Tool::SNMPTRAPD, Tool::NAMED_CHECKZONE];

/// Options.
#[derive(clap::Args)]
pub struct Args {
    /// Run the scenario: kill, quiesce, stop and bring back boxes; check and show each step; then end.
    #[arg(long)]
    pub demo: bool,
    /// Boxes are raisd processes in network namespaces instead of virtual machines: up in seconds.
    #[arg(long)]
    pub netns: bool,
    /// How virtual machines come to their kernel.
    #[arg(long, value_enum, default_value_t = BootBy::Bios, conflicts_with = "netns")]
    pub boot: BootBy,
    /// How many boxes.
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub boxes: usize,
    /// After the scenario, leave everything running until Ctrl-C.
    #[arg(long, visible_alias = "keep")]
    pub hold: bool,
}

/// Runs it.
pub fn run(args: &Args) -> Result<()> {
    let fewest = if args.demo { 3 } else { *BOXES.start() };
    ensure!((fewest..=*BOXES.end()).contains(&args.boxes), "--boxes is {fewest} to {}", BOXES.end());
    ensure!(nix::unistd::geteuid().is_root(), "root is needed for network namespaces: run it with sudo");
    let mode = if args.netns { Mode::Namespaces } else { Mode::Machines };
    interrupt::catch()?;
    prerequisites::ensure(TOOLS)?;
    if mode == Mode::Machines {
        prerequisites::ensure(&vm::TOOLS)?;
    }
    remove_stale()?;
    // Outlives the lab: the keys are wanted before there is one, for the image trusts them.
    let keys = lab::directory()?;
    let tools = build(mode, args, keys.path())?;
    lab::go_first();

    let plan = Plan::new(mode, args.boxes);
    let what = if args.netns { "namespaces" } else { "virtual machines" };
    let mut lab =
        step(&format!("starting {} boxes as {what}", args.boxes), || Lab::start(plan, tools, &cargo::repository()))?;
    let result = at_work(&mut lab, args);
    if result.is_err() && !interrupt::happened() {
        keep_evidence(&lab);
    }
    match result {
        // Ctrl-C is how a held lab ends.
        Err(_) if interrupt::happened() && !args.demo => Ok(()),
        other => other,
    }
}

/// Builds what the boxes run and what operates them.
fn build(mode: Mode, args: &Args, keys: &Path) -> Result<Tools> {
    let signing = Signing::create(keys)?;
    match mode {
        Mode::Namespaces => {
            let built = cargo::build(&["--package", "rais"], &["raisd", "raisctl"])?;
            let [raisd, raisctl] = <[_; 2]>::try_from(built).ok().context("two programs")?;
            Ok(Tools { firmware: Firmware::Raisd(raisd), raisctl, signing })
        }
        Mode::Machines => {
            let built = cargo::build(&["--package", "rais"], &["raisctl"])?;
            let [raisctl] = <[_; 1]>::try_from(built).ok().context("one program")?;
            let image = image::build(&image::Request {
                kernel: image::Kernel::Cloud,
                config: None,
                keyring: Some(signing.keyring.clone()),
                out: cargo::repository().join("target/lab-image"),
                publish: false,
                quiet: false,
            })?;
            Ok(Tools { firmware: Firmware::Image(image, args.boot), raisctl, signing })
        }
    }
}

/// From boxes that were just turned on to the end.
fn at_work(lab: &mut Lab, args: &Args) -> Result<()> {
    let limit = START_LIMIT.iter().find(|(mode, _)| *mode == lab.plan.mode).map_or(Duration::ZERO, |(_, limit)| *limit);
    let count = lab.plan.services.len();
    step(&format!("waiting until all {count} service addresses are served at home"), || lab.wait_home(limit))?;
    if args.demo {
        let verdict = demo::run(lab)?;
        if args.hold {
            hold(lab)?;
        }
        return match verdict {
            Verdict::AsExpected => Ok(()),
            Verdict::Late => Err(Late.into()),
            Verdict::Failed => bail!("the demo did not go as expected"),
        };
    }
    hold(lab)
}

/// Shows the group and how to look at it, then every notification, until Ctrl-C.
fn hold(lab: &mut Lab) -> Result<()> {
    println!("\n{}", lab.raisctl(0, &["status"])?.trim_end());
    println!("\n{}", commands(lab));
    println!("{}", report::strong("Notifications, as snmptrapd decodes them. Ctrl-C takes everything down."));
    let mut shown = 0;
    loop {
        for trap in lab.traps_after(shown)? {
            shown += 1;
            println!("{}", describe(lab, &trap));
        }
        interrupt::pause(Duration::from_millis(50))?;
    }
}

/// What a person may type in another terminal.
fn commands(lab: &Lab) -> String {
    let poll = |program: &str, options: &str, what: &str| {
        format!(
            "ip netns exec {} {program} -v2c -c {COMMUNITY}{options} \\\n    -M {} -m {MIB} \\\n    {} {what}",
            lab.client(),
            lab.mibs.path(),
            lab.plan.boxes[0].lan_v4()
        )
    };
    let ctl = |command: &str| {
        format!("{} --socket {} {command}", lab.raisctl_path().display(), lab.control_socket(0).display())
    };
    [
        report::strong("From another terminal:"),
        format!("ip netns exec {} ping {}", lab.client(), lab.plan.services[0].address),
        poll("snmpwalk", "", "raisAddressTable"),
        poll("snmptable", " -Ci -Cw 80", "raisHostTable"),
        ctl("status --watch"),
        ctl("quiesce"),
        String::new(),
    ]
    .join("\n")
}

/// One notification: its name and what it says in words, then its other varbinds, in 80 columns.
fn describe(lab: &Lab, trap: &Trap) -> String {
    let sender = trap.from.map_or("a stranger", |index| &lab.plan.boxes[index].name);
    let in_words = trap.varbinds.iter().find(|(name, _)| name.starts_with("raisNotifyText"));
    let mut text = format!("{}  {}", report::strong(&trap.name), in_words.map_or(sender, |(_, words)| words));
    let mut column = report::WIDTH;
    for (name, value) in trap.varbinds.iter().filter(|varbind| Some(*varbind) != in_words) {
        let item = format!("{}={value}", name.trim_end_matches(".0"));
        if column + 2 + item.len() > report::WIDTH {
            text.push_str("\n  ");
            column = 2;
        }
        text.push_str("  ");
        text.push_str(&report::faint(&item));
        column += 2 + item.len();
    }
    text
}

/// What went wrong is in the boxes' logs, and those go away with the lab.
fn keep_evidence(lab: &Lab) {
    let directory = cargo::repository().join("target/lab-logs");
    match lab.keep_logs(&directory) {
        Ok(()) => eprintln!("the boxes' logs are kept in {}", directory.display()),
        Err(error) => eprintln!("warning: the boxes' logs are lost: {error:#}"),
    }
    eprintln!("{}", lab.log_tails(5));
}
