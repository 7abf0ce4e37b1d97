#!/usr/bin/env node
// Signs one request with tower-hmac's native scheme, sends it and verifies the signed answer. Needs Node 18.3 only.
//   KEY_HEX=<secret in hex> [URL=http://127.0.0.1:3000/echo] [KEY_ID=svc-a] [METHOD=POST] node signer.mjs [body]
// http URLs only: a loopback demo. Exit status: 0 a 2xx with a valid signature, 1 anything else, 2 wrong usage.
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { buffer } from 'node:stream/consumers';

const { KEY_HEX = '', KEY_ID = 'svc-a', METHOD = 'POST', URL: address = 'http://127.0.0.1:3000/echo' } = process.env;
const usage = (message) => { console.error(`signer.mjs: ${message}`); process.exit(2); };
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const sign = (...lines) =>
  createHmac('sha256', Buffer.from(KEY_HEX, 'hex')).update(lines.join('\n'), 'latin1').digest('hex');

if (!/^([0-9A-Fa-f]{2}){16,}$/.test(KEY_HEX)) usage('KEY_HEX is required: the secret key in hex, 16 bytes at least');
const url = /^http:\/\/([^/?#@\s]+)(?![^/?#])\/?([^#\s]*)(#.*)?$/.exec(address) ?? usage('URL must be http://host...');
const [authority, path] = [url[1].toLowerCase(), `/${url[2]}`];
const body = Buffer.from(process.argv[2] ?? '{"to":"bob","amount":10}');
const [type, timestamp, digest] = ['application/json', `${Math.floor(Date.now() / 1000)}`, sha256(body)];
const nonce = randomBytes(16).toString('base64url');
const signature = sign('HMAC-SHA256-V1-REQUEST', KEY_ID, timestamp, nonce, METHOD, authority, path, type, '', digest);

const headers = {
  host: authority, 'content-type': type, 'content-length': body.length, 'x-hmac-key-id': KEY_ID, 'x-hmac-nonce': nonce,
  'x-hmac-timestamp': timestamp, 'x-hmac-content-sha256': digest, 'x-hmac-signature': `v1=${signature}`,
};
const options = { method: METHOD, path, headers, agent: false, signal: AbortSignal.timeout(30_000) };
const request = http.request(`http://${authority}`, options).end(body); // follows no redirect, decodes nothing
const [answer] = await once(request, 'response');
const verdict = verify(answer, await buffer(answer));
console.log(`status ${answer.statusCode}\nresponse signature ${verdict}`);
process.exitCode = answer.statusCode >= 200 && answer.statusCode < 300 && verdict === 'valid' ? 0 : 1;

function verify(answer, body) {
  const all = (name) => (answer.headersDistinct[name] ?? []).map((value) => value.replace(/^[ \t]+|[ \t]+$/g, ''));
  const one = (name) => all(name)[0] ?? '';
  const own = ['x-hmac-timestamp', 'x-hmac-content-sha256', 'x-hmac-signature'];
  const names = ['content-type', 'content-encoding', 'location', ...own];
  if (all('x-hmac-signature').length === 0) return 'missing';
  if (names.some((name) => all(name).length > 1 || all(name)[0] === '')) return 'invalid'; // repeated or empty
  if (!/^[1-9][0-9]{9}$/.test(one('x-hmac-timestamp'))) return 'invalid';
  if (one('x-hmac-content-sha256') !== sha256(body)) return 'invalid';
  if (answer.rawTrailers.length > 0) return 'invalid'; // a digest in the head means: no trailers
  const mac = sign('HMAC-SHA256-V1-RESPONSE', KEY_ID, signature, one('x-hmac-timestamp'), answer.statusCode,
    one('content-type'), one('content-encoding'), one('location'), sha256(body));
  const [expected, given] = [`v1=${mac}`, one('x-hmac-signature')].map((text) => Buffer.from(text, 'latin1'));
  return given.length === expected.length && timingSafeEqual(given, expected) ? 'valid' : 'invalid';
}
