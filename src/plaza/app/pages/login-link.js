// The mailed login link: what only this browser can use, and how its windows hear that somebody logged in.

/** Where the verifier of a login link waits for the link: only this browser can use it. */
const VERIFIER = "plaza-login-verifier";
const LOGINS = "plaza-logins";

/** Mails a link to `email`, where it has an account. */
export async function requestLoginLink(api, email) {
  const verifier = random();
  await api.ask("magic-link", { email, challenge: await s256(verifier) });
  localStorage.setItem(VERIFIER, verifier);
}

/** Uses the token of a link: `enter(body)` is told what to send. A refused one may be tried again. */
export async function useLoginLink(token, enter) {
  const verifier = localStorage.getItem(VERIFIER);
  await enter(verifier === null ? { token } : { token, verifier });
  localStorage.removeItem(VERIFIER);
}

/** Tells the other windows of this browser, which share the session. */
export function tellLogin() {
  const channel = new BroadcastChannel(LOGINS);
  channel.postMessage("in");
  channel.close();
}

/** Calls `hear()` when somebody logged in in another window. Gives what ends that. */
export function onLoginElsewhere(hear) {
  const channel = new BroadcastChannel(LOGINS);
  channel.addEventListener("message", hear);
  return () => channel.close();
}

const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/u, "");

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

const s256 = async (text) =>
  base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
