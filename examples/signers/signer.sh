#!/bin/sh
# Signs one request with tower-hmac's native scheme, sends it and verifies the signed answer. Needs openssl and curl.
#   KEY_HEX=<secret in hex> [URL=http://127.0.0.1:3000/echo] [KEY_ID=svc-a] [METHOD=POST] sh signer.sh [body]
# http URLs only: a loopback demo. Exit status: 0 a 2xx with a valid signature, 1 anything else, 2 wrong usage.
# For trying out only: the key is an argument of openssl, so the process list shows it.
set -eu
export LC_ALL=C
die() { echo "signer.sh: $*" >&2; exit 2; }
sha256() { out=$(openssl dgst -sha256 -r) && echo "${out%% *}"; }
hmac() { out=$(openssl dgst -sha256 -mac HMAC -macopt hexkey:"$KEY_HEX" -r) && echo "${out%% *}"; }
sign() { printf %s "$(printf '%s\n' "$@")" | hmac; } # the arguments joined by LF, none at the end
url=${URL:-http://127.0.0.1:3000/echo} key_id=${KEY_ID:-svc-a} method=${METHOD:-POST}
[ $# -gt 0 ] || set -- '{"to":"bob","amount":10}'
case ${KEY_HEX:-} in '' | *[!0-9A-Fa-f]*) die 'KEY_HEX is required: the secret key in hex' ;; esac
[ ${#KEY_HEX} -ge 32 ] && [ $((${#KEY_HEX} % 2)) -eq 0 ] || die 'KEY_HEX must be whole bytes, 16 at least'
case $url in http://*) rest=${url#http://} ;; *) die 'URL must be http://host...' ;; esac
rest=${rest%%#*} host=${rest%%[/?#]*}
case $host in '' | *@*) die 'URL must have a host and no user' ;; esac
[ "$method" != HEAD ] || die 'METHOD cannot be HEAD here: curl would wait for a body'
authority=$(printf %s "$host" | tr A-Z a-z) target=${rest#"$host"}
case $target in /*) ;; *) target=/$target ;; esac

time=$(date +%s) nonce=$(openssl rand -hex 16) digest=$(printf %s "$1" | sha256) json=application/json
sig=$(sign HMAC-SHA256-V1-REQUEST "$key_id" "$time" "$nonce" "$method" "$authority" "$target" "$json" '' "$digest")
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT && trap 'exit 1' HUP INT TERM
: >"$tmp/body" # some versions of curl make no file for an empty body
status=$(curl -q -sSg --noproxy '*' --max-time 30 -X "$method" --request-target "$target" -H "host: $authority" \
    -H "content-type: $json" -H "x-hmac-key-id: $key_id" -H "x-hmac-timestamp: $time" -H "x-hmac-nonce: $nonce" \
    -H "x-hmac-content-sha256: $digest" -H "x-hmac-signature: v1=$sig" -H 'expect:' --data-raw "$1" \
    -D "$tmp/head" -o "$tmp/body" -w '%{http_code}' "http://$authority/") || exit 1

field() { # one header, trimmed, nothing when absent; fails when it is repeated or empty, or with folds or trailers
    awk -v name="$1" '{ sub(/\r$/, "") } /^HTTP\// && !final { final = $2 !~ /^1/; n = end = 0 }
        $0 == "" { end = 1 } $0 != "" && end || /^[ \t]/ { bad = 1 }
        { i = index($0, ":"); if (!end && tolower(substr($0, 1, i - 1)) == name) { n++; v = substr($0, i + 1) } }
        END { gsub(/^[ \t]+|[ \t]+$/, "", v); if (n) { print v; exit bad || n > 1 || v == "" } }' "$tmp/head"
}
verify() { # (the shell has no constant-time comparison)
    type=$(field content-type) && enc=$(field content-encoding) && location=$(field location) &&
        time=$(field x-hmac-timestamp) && expr "x$time" : 'x[1-9][0-9]\{9\}$' >/dev/null &&
        claimed=$(field x-hmac-content-sha256) && digest=$(sha256 <"$tmp/body") && [ "$claimed" = "$digest" ] &&
        mac=$(sign HMAC-SHA256-V1-RESPONSE "$key_id" "$sig" "$time" "$status" "$type" "$enc" "$location" "$digest") &&
        given=$(field x-hmac-signature) && [ "$given" = "v1=$mac" ]
}
if [ -z "$(field x-hmac-signature || echo malformed)" ]; then verdict=missing
elif verify; then verdict=valid; else verdict=invalid; fi
printf 'status %s\nresponse signature %s\n' "$status" "$verdict"
[ "${status%??}/$verdict" = 2/valid ]
