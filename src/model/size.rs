//! The size of an instance, in the form ITCare writes it: `2cpu4gb`.

use std::fmt;
use std::str::FromStr;

/// Virtual CPUs and memory of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Size {
    /// Virtual CPUs, at least 1.
    pub cpu: u32,
    /// Memory in GB, at least 1.
    pub memory_gb: u32,
}

/// A text that is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a size: write it as NcpuMgb, for example 2cpu4gb")]
pub struct InvalidSize(String);

impl FromStr for Size {
    type Err = InvalidSize;

    fn from_str(text: &str) -> Result<Self, InvalidSize> {
        let parse = || {
            let (cpu, rest) = text.split_once("cpu")?;
            let memory = rest.strip_suffix("gb")?;
            let number = |digits: &str| {
                let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                plain.then(|| digits.parse::<u32>().ok()).flatten().filter(|value| *value > 0)
            };
            Some(Self { cpu: number(cpu)?, memory_gb: number(memory)? })
        };
        parse().ok_or_else(|| InvalidSize(text.to_owned()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}cpu{}gb", self.cpu, self.memory_gb)
    }
}
