//! Tests of the source tree itself. `cargo test -p xtask` runs them; there is nothing else here.

#[cfg(test)]
mod floors;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod tree;
