#!/bin/sh
# Instructions for each request at 1 KiB beyond the service and bare crypto, with portable SHA-256 (valgrind).
set -eu
cd "$(dirname "$0")/.."
export RUSTFLAGS='--cfg sha2_backend="soft"'
bench=$(cargo bench --no-run --bench instructions --target-dir target/instructions 2>&1 | sed -n 's/.*(\(.*\)).*/\1/p' | tail -1)
count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$bench" "$1" 2>&1 | sed -n 's/.*Collected : //p'
}
empty=$(count none) layer=$(count layer) floor=$(count floor) verify=$(count verify) verify_floor=$(count verify-floor)
echo "service and crypto:        $(((floor - empty) / 2000))"
echo "layer, beyond them:        $(((layer - floor) / 2000))"
echo "verify only, beyond them:  $(((verify - verify_floor) / 2000))"
