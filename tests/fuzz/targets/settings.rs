//! Fuzzes the settings: no file makes the gate panic, or call two different runtimes.
#![no_main]

use std::path::Path;

use embargo::settings;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let runtime = settings::runtime::read(bytes);
    assert!(runtime.iter().all(|path| path.is_absolute()));
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match settings::parse(text, Path::new("config.toml")) {
        Ok(settings) => {
            assert_eq!(runtime, settings.runtime);
            assert!(
                settings
                    .runtime
                    .iter()
                    .chain(&settings.former_runtimes)
                    .all(|path| path.is_absolute())
            );
            _ = settings.rules();
        }
        Err(error) => assert!(!error.to_string().contains('\n')),
    }
});
