# The daily commands. `make demo` and `make test` need only Rust and the system's package manager:
# what else they need they install, and say so.

.PHONY: demo test lint fmt bench fuzz docs clean-demo

demo:
	@scripts/demo

test:
	@scripts/test

# What CI refuses: formatting and lints, warnings denied.
lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

fmt:
	cargo fmt --all

bench:
	@scripts/bench

# Sixty seconds for each fuzz target; needs a nightly toolchain and cargo-fuzz.
fuzz:
	@scripts/fuzz

# Rewrites the pages that are printed from the code.
docs:
	STORMGLASS_BLESS=1 cargo test --locked -p normalize -p server up_to_date

clean-demo:
	rm -rf data
