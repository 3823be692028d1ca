//! Does an image boot? Every way there is, with its data partition, and again after a power cut.

use crate::image::progress::{Progress, run};
use crate::image::{Image, disk as layout};
use crate::prerequisites;
use crate::vm::{self, Boot, Vm, VmParams};
use anyhow::{Result, ensure};
use std::path::Path;
use std::time::Duration;

/// How long a boot may take: software emulation on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Boots the image by BIOS, by UEFI and directly. Each time the first process must say that it is ready with the data
/// partition of the disk; by BIOS also after a power cut; and the power button must switch it off in order.
///
/// # Errors
/// What did not happen, with the console's last lines.
pub fn smoke_test(image: &Image) -> Result<()> {
    prerequisites::ensure(&vm::TOOLS)?;
    let work = tempfile::tempdir()?;
    let disk = work.path().join("box.img");
    let boots: [(&str, Boot, u32); 3] = [
        ("BIOS", Boot::Bios { disk: disk.clone() }, 128),
        ("UEFI", Boot::Uefi { disk: disk.clone() }, 320),
        ("direct", image.direct_boot(&disk), 128),
    ];
    let progress = Progress::new(false);
    for (name, boot, mem_mib) in boots {
        run(prerequisites::command("cp").args(["--reflink=auto", "--sparse=always"]).arg(&image.disk).arg(&disk))?;
        let params = VmParams {
            name: format!("rais-boot-{name}"),
            boot,
            mem_mib,
            nics: Vec::new(),
            control: work.path().join("control"),
            console: work.path().join("console.log"),
            netns: None,
        };
        progress.step(name, || boot_once(&params).map(|line| ((), line)))?;
        progress.step("power cut", || boot_once(&params).map(|line| ((), line)))?;
        progress.step("power off", || switch_off(&params).map(|line| ((), line)))?;
        check_data(&disk, work.path())?;
    }
    Ok(())
}

/// Boots until the box is ready, and cuts its power.
fn boot_once(params: &VmParams) -> Result<String> {
    let vm = Vm::start(params.clone())?;
    ready(&vm, params)
}

/// Boots until the box is ready, and presses its power button.
fn switch_off(params: &VmParams) -> Result<String> {
    let mut vm = Vm::start(params.clone())?;
    ready(&vm, params)?;
    vm.shutdown(PATIENCE)?;
    vm.wait_console("] down", Duration::ZERO)
}

fn ready(vm: &Vm, params: &VmParams) -> Result<String> {
    let line = vm.wait_console(" ready: ", PATIENCE)?;
    let slot = if matches!(params.boot, Boot::Direct { .. }) { "slot direct," } else { "slot a," };
    ensure!(line.contains(slot) && line.contains("data /dev/vda5,"), "not booted as it should be: {line}");
    Ok(line)
}

/// What the box left on its data partition must be without fault.
fn check_data(disk: &Path, work: &Path) -> Result<()> {
    let data = work.join("data.img");
    layout::extract_data(disk, &data)?;
    run(prerequisites::command("e2fsck").args(["-f", "-n"]).arg(&data))?;
    Ok(())
}
