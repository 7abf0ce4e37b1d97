// GitHub's own library, in the manner of libraries.py. Run with --eval in the folder that holds the packages: modules are
// looked for from there.
import { createInterface } from "node:readline";
import { sign, verify } from "@octokit/webhooks-methods";

for await (const line of createInterface({ input: process.stdin })) {
  const ask = JSON.parse(line);
  const answer = ask.sign
    ? { headers: { "x-hub-signature-256": await sign(ask.secret, ask.body) } }
    : { accepts: await verify(ask.secret, ask.body, ask.headers["x-hub-signature-256"]) };
  console.log(JSON.stringify(answer));
}
