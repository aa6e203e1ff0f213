//! `stormglass`: the security log engine on the command line and as a server.

mod api;
mod app;
mod asset_files;
mod audit;
mod auth;
mod cli;
mod client;
mod commands;
mod config;
mod data_folder;
mod evidence;
mod file_stamps;
mod hunt;
mod incidents;
mod kept_session;
mod known_names;

mod notify_reload;
mod output;
mod place_files;
mod push;
mod reload;
mod rule_alerts;
mod rule_files;
mod screen;
mod tls;
mod trim;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Batches of megabytes come and go all the time. The allocator's default returns their memory to the
/// system after 10 ms and asks for it again at once; the system clearing its pages anew took a third of
/// all time.
const KEEP_FREED_MEMORY_MS: std::ffi::c_long = 10_000;

fn keep_freed_memory() {
    #[expect(unsafe_code, reason = "a plain setter of a C library, before any thread is started")]
    // SAFETY: the option exists in this version; its place in the list is checked by a test.
    unsafe {
        libmimalloc_sys::mi_option_set_default(MI_OPTION_PURGE_DELAY, KEEP_FREED_MEMORY_MS);
    }
}

/// `mi_option_purge_delay` of `mimalloc.h`, version 3.
const MI_OPTION_PURGE_DELAY: std::ffi::c_int = 15;

fn main() -> ExitCode {
    keep_freed_memory();
    let arguments = cli::Arguments::of_process();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(&anyhow::Error::new(error)),
    };
    let done = runtime.block_on(commands::run(arguments));
    // A query that cannot be interrupted must not keep the process from ending.
    runtime.shutdown_background();
    match done {
        Ok(code) => code,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => output::fail(&error),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_allocators_option_is_where_we_think() {
        #[expect(unsafe_code, reason = "a plain getter of a C library")]
        // SAFETY: any number is allowed; an unknown one gives 0.
        let default = unsafe { libmimalloc_sys::mi_option_get(super::MI_OPTION_PURGE_DELAY) };
        // `mi_option_purge_delay` is the only option near it with this default.
        assert_eq!(default, 1000);
    }
}
