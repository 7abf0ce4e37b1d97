# Callers of three hand-made formats, with curl and openssl: client.sh FORMAT URL. Prints the status and the body. With
# ALTER set, something else is sent than was signed.
set -eu

url=$2
body='{"mac_address":"12:34:56:78:9a:bc","timestamp":"2025-04-30T15:00:00"}'
hex() { printf %s "$1" | openssl dgst -sha256 -hmac "$SECRET" -r | cut -d' ' -f1; }
base64() { printf %s "$1" | openssl dgst -sha256 -hmac "$SECRET" -binary | openssl base64 -A; }
send() { curl -sS -m 10 -w '\n%{http_code}' "$@" -H 'Content-Type: application/json' --data-raw "$body${ALTER:+ }" "$url"; }

case $1 in
members)
    set -- -H "X-HMAC-Signature: $(hex '12:34:56:78:9a:bc:2025-04-30T15:00:00')"
    if [ "${ALTER-}" ]; then body=$(printf %s "$body" | tr 5 6); fi
    ;;
raw-body) set -- -H "X-HMAC-Signature: $(hex "$body")" ;;
lines)
    now=$(date -u +%Y-%m-%dT%H:%M:%SZ) target=/${url#*://*/}
    set -- -H "ME-NOWAY-SIGNATURE: $(base64 "$(printf '%s\n' POST "$target" "$now" "$body")")" -H "X-Timestamp: $now"
    ;;
esac
send "$@" | awk '{ if (NR > 1) text = text last; last = $0 } END { print last, text }'
